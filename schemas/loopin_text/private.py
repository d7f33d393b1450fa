"""Private messages leave as a score and a length: their words never do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import cache
from typing import Any, Final, TypeVar

from loopin_text.person import entries, form_of, is_of_person, is_written, may_be_written, only, without_said
from loopin_text.pii.kinds import MARKS
from loopin_text.wordless import is_identifier, is_meant_as_id, is_name, may_stay, words_of

Properties = TypeVar("Properties", bound=Mapping[str, Any])

SENTIMENT: Final = "$sentiment"
"""VADER's compound of the text, from -1 to 1."""

TEXT_LENGTH: Final = "$text_length"
"""Characters (code points) of the text."""

MAX_DEPTH: Final = 40
"""Deeper values are left out: validation refuses them (20 levels)."""

_ADDRESS: Final = re.compile(r"(?:[a-z][a-z0-9+.\-]*:/)?/\S*", re.IGNORECASE)
_DIGIT: Final = re.compile("[0-9]")
_OF_DEVICES: Final = re.compile(
    r"\$(?:os|browser|device|lib|app|geoip|network|timezone|locale|bot|initial)(?:_.*)?"
    r"|country|region|city|os|browser|device_type",
    re.DOTALL,
)
"""Properties that libraries and the stream fill in by themselves: what leaves of them is nobody's text."""

_GONE: Final = object()


def without_private_text(
    properties: Properties,
    private: Iterable[str],
    *,
    wordless: bool = False,
    score: bool = True,
    said: Set[str] = frozenset(),
) -> Properties | dict[str, Any]:
    """The properties with ``$sentiment`` and ``$text_length`` in place of the ``private`` ones.

    Names count in any case and at any depth. With ``wordless`` all else leaves, too, but what
    :func:`~loopin_text.wordless.may_stay` knows; what reads as words counts as private text, while addresses,
    ids and what libraries say leave uncounted. So does what the event says of its person and groups, under
    names of its own, in words of its texts or of what it has ``said`` elsewhere (:func:`words_said`).

    The very same object where there is nothing of it. Of several texts the lengths add up, and they are
    scored together. There is no ``$sentiment`` where there is no text to score, ``score`` is false, or
    :func:`can_score` is; one that the client gave beside its text does not count.
    """
    removal = _Removal(private)
    kept: Properties | dict[str, Any] = (
        removal.without_words(properties) if wordless else removal.of_mapping(properties, 1)
    )
    texts = removal.texts
    if wordless and (texts or said):
        kept = without_said(kept, lambda: set(said).union(*map(words_of, texts or ())))
    if texts is None:
        return kept
    kept = {name: value for name, value in kept.items() if name != SENTIMENT}
    kept[TEXT_LENGTH] = sum(map(len, texts))
    scorer = _scorer() if score else None
    text = "\n".join(text for text in texts if not text.isspace() and text)
    if scorer is not None and text:
        kept[SENTIMENT] = scorer(text)
    return kept


def words_said(properties: Mapping[str, Any], private: Iterable[str]) -> set[str]:
    """The words of all texts among the properties of an event that is to be wordless."""
    removal = _Removal(private)
    removal.without_words(properties)
    return set().union(*map(words_of, removal.texts or ()))


class _Removal:
    """What was taken out of the properties of one event; ``texts`` is None where there was no text."""

    def __init__(self, private: Iterable[str]) -> None:
        self._private = frozenset(name.casefold() for name in private)
        self.texts: list[str] | None = None

    def of_mapping(self, values: Any, depth: int) -> Any:
        """The mapping without private text, the very same one where there is none."""
        kept: dict[Any, Any] = {}
        changed = False
        for name, value in values.items():
            if self._is_private(name):
                self._leave(value, depth)
                changed = True
                continue
            left = self._value(value, depth)
            changed = changed or left is not value
            if left is not _GONE:
                kept[name] = left
        return kept if changed else values

    def without_words(self, values: Any) -> Any:
        """The properties that may stay, the very same mapping where all may."""
        kept: dict[Any, Any] = {}
        changed = False
        for name, value in values.items():
            left = self._without_words(name, value)
            changed = changed or left is not value
            if left is not _GONE:
                kept[name] = left
        return kept if changed else values

    def _without_words(self, name: str, value: Any) -> Any:
        if is_of_person(name, value):
            return self._of_person(name, value)
        if self._is_private(name):
            self._leave(value, 1)
        elif may_stay(name, value):
            return value
        elif not _OF_DEVICES.fullmatch(name):
            self._count(name, value, 1)
        return _GONE

    def _of_person(self, name: str, value: Any) -> Any:
        has_form = form_of(name)

        def stays(inner: Any, item: Any) -> bool:
            return has_form(inner, item) and not (self._is_private(inner) or may_be_written(inner))

        left = only(value, stays)
        if left is value:
            return value
        for inner, item in entries(value):
            if not stays(inner, item):
                self._count_of_person(inner, item)
        return left or _GONE

    def _count_of_person(self, name: Any, value: Any) -> None:
        if value is None:
            # Of the names in a list those that are none are words.
            self._count("", "" if is_name(name) else name, 1)
        elif not _OF_DEVICES.fullmatch(name):
            self._count(name, value, 2)

    def _is_private(self, name: str) -> bool:
        return name.strip().casefold() in self._private

    def _leave(self, value: Any, depth: int) -> None:
        """A private property leaves, be there text in it or not."""
        if self.texts is None:
            self.texts = []
        self._take(value, depth)

    def _count(self, name: str, value: Any, depth: int) -> None:
        """Take what reads as somebody's words."""
        if self._is_private(name):
            self._leave(value, depth)
        elif is_written(name):
            self._take(value, depth)
        elif is_meant_as_id(name, value):
            return
        elif isinstance(value, str):
            if not is_identifier(value) and not _ADDRESS.fullmatch(value):
                self._take(value, depth)
        elif depth < MAX_DEPTH and isinstance(value, Mapping):
            for inner, item in value.items():
                if not _OF_DEVICES.fullmatch(inner):
                    self._count(inner, item, depth + 1)
        elif depth < MAX_DEPTH and isinstance(value, list | tuple):
            if _are_words(value):
                self._take(value, depth)
            else:
                for item in value:
                    self._count("", item, depth + 1)

    def _value(self, value: Any, depth: int) -> Any:
        if isinstance(value, Mapping):
            return self.of_mapping(value, depth + 1) if depth < MAX_DEPTH else _GONE
        if isinstance(value, list | tuple):
            if depth >= MAX_DEPTH:
                return _GONE
            kept = [self._value(item, depth + 1) for item in value]
            same = all(one is other for one, other in zip(kept, value, strict=True))
            return value if same else [item for item in kept if item is not _GONE]
        return value

    def _take(self, value: Any, depth: int) -> None:
        """All text of a value counts."""
        if isinstance(value, str):
            if self.texts is None:
                self.texts = []
            self.texts.append(value)
        elif depth < MAX_DEPTH and isinstance(value, Mapping | list | tuple):
            for item in value.values() if isinstance(value, Mapping) else value:
                self._take(item, depth + 1)


def _are_words(values: Sequence[Any]) -> bool:
    """Whether a list, with the lists in it, has several texts, and not only ids, addresses and marks."""
    texts, without_digits = 0, 0
    waiting = [values]
    while waiting:
        for value in waiting.pop():
            if isinstance(value, list | tuple):
                waiting.append(value)
            elif (
                isinstance(value, str)
                and value
                and value not in MARKS.values()
                and not _ADDRESS.fullmatch(value)
            ):
                texts += 1
                without_digits += _DIGIT.search(value) is None
    return texts > 1 and without_digits > 0


def can_score() -> bool:
    """Whether texts can be scored here: the extra ``text`` is installed.

    The first call loads the lexicon, some 0.1 s: a client asks when it starts.
    """
    scorer = _scorer()
    if scorer is not None:
        scorer("ready")
    return scorer is not None


@cache
def _scorer() -> Callable[[str], float] | None:
    try:
        # Here, because a client may be installed without the lexicon.
        from loopin_text.sentiment import score
    except ImportError:
        return None
    return score
