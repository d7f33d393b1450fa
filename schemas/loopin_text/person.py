"""What may stay of what a private message says of its person and groups, whose names are the client's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from functools import partial
from typing import Any, Final, TypeVar

from loopin_text.wordless import is_group_key, is_id, is_name, last_word, may_stay, words_of

Properties = TypeVar("Properties", bound=Mapping[str, Any])

Stays = Callable[[Any, Any], bool]
"""Whether an entry may stay, by name and value; the value is None where names only are listed."""

_WRITTEN: Final = frozenset(
    {
        *("text", "texts", "message", "messages", "msg", "body", "content", "contents", "subject", "title"),
        *("caption", "comment", "reply", "preview", "snippet", "excerpt", "note", "description", "words"),
        *("html", "markdown", "plaintext", "transcript"),
    }
)
_GROUPS: Final = frozenset(
    {
        *("company", "organization", "organisation", "account", "workspace", "team", "project", "instance"),
        *("customer", "tenant", "community", "group"),
    }
)
"""Usual types of groups."""


def is_written(name: str) -> bool:
    """Whether it is a name of what somebody wrote, be it a single word."""
    return name.strip().casefold() in _WRITTEN


def may_be_written(name: str) -> bool:
    """Whether a name ends so: ``last_message``."""
    return last_word(name) in _WRITTEN


def _is_of_person(name: Any, value: Any) -> bool:
    """Numbers, and texts that may be ids, under names: ``last_seen_at`` is a known one, and no sentence."""
    return (is_name(name) or (isinstance(name, str) and may_stay(name, value))) and (
        value is None or isinstance(value, float) or is_id(value)
    )


def _is_group(kind: Any, key: Any) -> bool:
    return is_name(kind) and (
        is_group_key(key) if isinstance(key, str) else not isinstance(key, Mapping | list | tuple)
    )


_OF: Final[Mapping[str, Stays]] = {
    "$set": _is_of_person,
    "$set_once": _is_of_person,
    "$unset": _is_of_person,
    "$groups": _is_group,
}


def is_of_person(name: str, value: Any) -> bool:
    """Whether it is a property whose entries are judged one by one."""
    return name in _OF and (
        isinstance(value, Mapping) or (name == "$unset" and isinstance(value, list | tuple))
    )


def form_of(name: str) -> Stays:
    """What each entry of the property may be."""
    return _OF[name]


def entries(value: Any) -> Iterable[tuple[Any, Any]]:
    """Names and values of an object, or the names of a list."""
    return value.items() if isinstance(value, Mapping) else [(name, None) for name in value]


def only(value: Any, stays: Stays) -> Any:
    """The object or list with those entries alone, the very same one where all stay."""
    left = [(name, item) for name, item in entries(value) if stays(name, item)]
    if len(left) == len(value):
        return value
    return dict(left) if isinstance(value, Mapping) else [name for name, _ in left]


def without_said(
    properties: Properties | dict[str, Any], said: Callable[[], Set[str]]
) -> Properties | dict[str, Any]:
    """The properties without what is ``said`` of the person in these words, which are asked for only then.

    The very same mapping where there is nothing of it.
    """
    of_person = {name: value for name, value in properties.items() if is_of_person(name, value)}
    words = said() if of_person else set[str]()
    left = {name: only(value, partial(_stays, words, name)) for name, value in of_person.items()}
    if all(value is of_person[name] for name, value in left.items()):
        return properties
    return {name: left.get(name, value) for name, value in properties.items() if left.get(name, True)}


def _stays(said: Set[str], of: str, name: Any, value: Any) -> bool:
    # Known names with values of their form would stay among the event's properties, too.
    if may_stay(name, value) or (of == "$groups" and name.casefold() in _GROUPS):
        return True
    return said.isdisjoint(words_of(name) | words_of(value if isinstance(value, str) else ""))
