"""Which events hold what users wrote to one another, by whatever name clients send them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from loopin_schemas.catalogue import CATALOGUE, EventType
from loopin_schemas.validation import MAX_TEXT

_BETWEEN: Final = re.compile(r"[\W_]+")


def _plain(name: str) -> str:
    """``Message Sent``, ``message-sent`` and ``messageSent`` are ``messagesent``."""
    return _BETWEEN.sub("", name.casefold())


_PRIVATE: Final[Mapping[str, EventType]] = {
    _plain(name): event
    for event in CATALOGUE
    if event.private or event.acts_as
    for name in (event.name, *(alias.name for alias in event.aliases))
}


def _find(name: str) -> EventType | None:
    return _PRIVATE.get(_plain(name))


_remembered = lru_cache(4096)(_find)


def may_be_private(name: str) -> EventType | None:
    """The event of this name, in any spelling, that is private or is by what its properties say."""
    return _remembered(name) if len(name) <= MAX_TEXT else _find(name)


def private_event(name: str, properties: Mapping[str, Any]) -> EventType | None:
    """The event whose privacy holds for an event of this name, or None."""
    known = may_be_private(name)
    if known is None or not known.acts_as:
        return known
    acts_as = properties.get(known.acts_as)
    other = may_be_private(acts_as) if isinstance(acts_as, str) else None
    return None if other is None or other.acts_as else other


def _anyhow(name: str) -> str:
    """An expression for the name in any spelling."""
    return r"""[^0-9A-Za-z"':,]{0,8}""".join(map(re.escape, re.findall("[A-Za-z0-9]+", name)))


def _mention() -> re.Pattern[bytes]:
    events = [event for event in CATALOGUE if event.private]
    names = [_anyhow(name) for event in events for name in (event.name, *(a.name for a in event.aliases))]
    fields = "|".join(["event", *(event.acts_as for event in CATALOGUE if event.acts_as)])
    # A single word is one of many bodies; it counts only as the value of a field that names an event.
    words = "|".join(name for name in names if "{" not in name)
    phrases = "|".join(name for name in names if "{" in name)
    gap, end = "[^0-9A-Za-z:=]{0,8}[:=][^0-9A-Za-z]{0,8}", "(?![0-9A-Za-z])"
    named = f"(?<![0-9A-Za-z])(?:{fields})(?:_name|_type)?{gap}(?:{words}){end}"
    return re.compile(f"{phrases}|{named}".encode(), re.IGNORECASE)


_MENTION: Final = _mention()
_ESCAPE: Final = re.compile(rb"(?<!\\)\\++u00([2-7][0-9a-f])", re.IGNORECASE)


def mentions_private_event(body: bytes) -> bool:
    """Whether the bytes, JSON or not, name a private event; any case, UTF-16 and JSON's escapes included."""
    text = body.replace(b"\0", b"")
    if b"\\u00" in text:
        text = _ESCAPE.sub(lambda found: bytes.fromhex(found[1].decode()), text)
    return _MENTION.search(text) is not None
