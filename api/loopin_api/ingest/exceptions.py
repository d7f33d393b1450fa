"""Exceptions of any depth in the 32 KB of an event's properties: what tells least goes first, and no more.

First the surroundings of frames (the lines around theirs, variables), then their own lines of source, then
whole frames; of each list from its middle to its ends, for at its ends the program began and failed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from loopin_schemas.codec import encode

LIST: Final = "$exception_list"
OMITTED: Final = "$exception_frames_omitted"
"""Property: how many frames were left out."""
SHORTENED: Final = "$exception_frames_shortened"
"""Property: how many of the others lost lines of source or variables."""

_SURROUNDINGS: Final = frozenset({"pre_context", "post_context", "code_variables", "vars"})
_LINE: Final = "context_line"
_SOURCE: Final = _SURROUNDINGS | {_LINE}
_NONE: Final[frozenset[str]] = frozenset()

MAX_FRAMES: Final = 2_000
"""Most frames that are looked at one by one: of those that say where they are, 32 KB hold fewer."""

Frames = list[Any]


class _Place(NamedTuple):
    """A frame: which list's, and where in it."""

    list: int
    at: int


class _Sizes(NamedTuple):
    """Bytes of a frame's JSON: whole, without its surroundings, and without its own line either."""

    whole: int
    own: int
    bare: int


class _Cut(NamedTuple):
    """One thing to leave out: the frame without more of its fields, or altogether, and the bytes it saves."""

    place: _Place
    fields: frozenset[str] | None
    saved: int


def fitted(properties: Mapping[str, Any], room: int) -> dict[str, Any] | None:
    """The properties of an exception in at most ``room`` bytes of JSON, and marked with what is left out.

    None where they hold no frames, or do not fit without any either. The lists of frames are changed.
    """
    lists = list(_lists(properties.get(LIST)))
    dropped = omitted = _drop_middles(lists)
    shortened = 0
    size = len(encode({**properties, OMITTED: 0, SHORTENED: 0})) - 2
    done: dict[_Place, frozenset[str] | None] = {}
    cuts = _cuts(lists)
    while size + len(f"{omitted}{shortened}") > room:
        if (cut := next(cuts, None)) is None:
            return None
        done[cut.place] = cut.fields
        omitted += cut.fields is None
        shortened = len(done) - (omitted - dropped)
        size -= cut.saved
    for number, frames in enumerate(lists):
        frames[:] = _left(frames, number, done)
    return {**properties, OMITTED: omitted, SHORTENED: shortened}


def _lists(exceptions: Any) -> Iterator[Frames]:
    """The lists of frames; one that holds anything else is left as it is."""
    for exception in exceptions if isinstance(exceptions, list) else ():
        trace = exception.get("stacktrace") if isinstance(exception, dict) else None
        frames = trace.get("frames") if isinstance(trace, dict) else None
        if isinstance(frames, list) and all(isinstance(frame, dict) for frame in frames):
            yield frames


def _drop_middles(lists: Sequence[Frames]) -> int:
    """Leave of each list no more frames than its share of ``MAX_FRAMES``; gives how many went."""
    dropped = 0
    for frames in lists:
        beyond = len(frames) - max(MAX_FRAMES // len(lists), 1)
        if beyond > 0:
            middle = (len(frames) - beyond) // 2
            del frames[middle : middle + beyond]
            dropped += beyond
    return dropped


def _cuts(lists: Sequence[Frames]) -> Iterator[_Cut]:
    """All that may be left out, in the order in which it is."""
    places = [_Place(number, at) for number, frames in enumerate(lists) for at in range(len(frames))]
    places.sort(key=lambda place: -min(place.at, len(lists[place.list]) - 1 - place.at))
    measured = [(place, _sizes(lists[place.list][place.at])) for place in places]
    for place, sizes in measured:
        if saved := sizes.whole - sizes.own:
            yield _Cut(place, _SURROUNDINGS, saved)
    for place, sizes in measured:
        if saved := sizes.own - sizes.bare:
            yield _Cut(place, _SOURCE, saved)
    left = [len(frames) for frames in lists]
    for place, sizes in measured:
        left[place.list] -= 1
        comma = 1 if left[place.list] else 0
        yield _Cut(place, None, sizes.bare + comma)


def _left(frames: Frames, number: int, done: Mapping[_Place, frozenset[str] | None]) -> Frames:
    """A list without what is left out."""
    left: Frames = []
    for at, frame in enumerate(frames):
        fields = done.get(_Place(number, at), _NONE)
        if fields is not None:
            left.append(_without(frame, fields))
    return left


def _without(frame: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in frame.items() if name not in fields}


def _sizes(frame: Mapping[str, Any]) -> _Sizes:
    whole = len(encode(frame))
    own = whole if _SURROUNDINGS.isdisjoint(frame) else len(encode(_without(frame, _SURROUNDINGS)))
    bare = own if _LINE not in frame else len(encode(_without(frame, _SOURCE)))
    return _Sizes(whole, own, bare)
