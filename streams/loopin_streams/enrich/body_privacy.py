"""Bytes of a record that failed, without private text, personal data, and the client's address.

Who the event is about stays, with all other fields of the event: a replay would else count it for a stranger.
Its properties lose what they would have lost on the way, so that a replay of what is left stores the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from loopin_schemas.catalogue import EventType
from loopin_schemas.codec import decode, encode
from loopin_schemas.dead_letter import MAX_BODY_BYTES
from loopin_schemas.event import Event, Source
from loopin_schemas.private_events import mentions_private_event, private_event
from loopin_schemas.validation import MAX_TEXT
from loopin_streams.enrich.ip_address import Privacy
from loopin_streams.enrich.ip_privacy import without_ip
from loopin_text.pii import Scrubber
from loopin_text.private import without_private_text, words_said
from loopin_text.wordless import is_identifier, may_stay, words_of

_FIELDS: Final = frozenset(Event.__struct_encode_fields__) - {"properties"}
_WHOSE: Final = frozenset({"project", "event", "distinct_id"})

_IDENTITY: Final = re.compile(
    r'"(?:project|event|distinct_id|uuid|parent_uuid|session_id|source|timestamp|sent_at|_origin|alias'
    r'|\$anon_distinct_id)"[ \t\r\n]*+:[ \t\r\n]*+"(?:[^"\\]|\\.)*+"?'
)
_IP: Final = re.compile(r'("(?:\$ip|ip|ip_address)"[ \t\r\n]*+:[ \t\r\n]*+)"[^"\n]*+"?')


_WHO: Final = {
    "project": re.compile(rb'"project"[ \t\r\n]*+:[ \t\r\n]*+"([A-Za-z0-9_.\-]{1,64})"'),
    "event": re.compile(rb'"event"[ \t\r\n]*+:[ \t\r\n]*+"([A-Za-z0-9_.\-]{1,64})"'),
    "uuid": re.compile(
        rb'"uuid"[ \t\r\n]*+:[ \t\r\n]*+"([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})"'
    ),
}
_WORDLESS: Final = EventType("", "An event that cannot be told from private ones", wordless=True)


@dataclass(frozen=True, slots=True)
class BodyPrivacy:
    """What is taken out of the body of a dead letter; ``score`` says whether private texts are scored."""

    scrubber: Scrubber
    ip: Privacy
    score: bool = True

    def apply(self, body: bytes) -> bytes:
        """The body without it; the very same object where there was nothing."""
        try:
            event = decode(body, dict[str, msgspec.Raw])
        except (ValueError, RecursionError):
            return self._of_unreadable(body)
        if (known := _private(event, body)) is not None:
            return self._of_private(known, body)
        try:
            whole, repeated = _decoded(body)
            if repeated:
                body = encode(whole)
                event = decode(body, dict[str, msgspec.Raw])
            kept: dict[str, Any] = {
                name: self._of_field(name, value) for name, value in event.items() if name not in _FIELDS
            }
        except (ValueError, OverflowError, RecursionError):
            return self._of_unreadable(body)
        changed = {name: value for name, value in kept.items() if value is not event[name]}
        return encode({**event, **changed}) if changed else body

    def _of_field(self, name: str, encoded: msgspec.Raw) -> Any:
        """The value to encode, or the very same one. Raises ValueError, RecursionError: unreadable."""
        value = msgspec.json.decode(encoded)
        if name == "properties" and isinstance(value, dict):
            kept: Any = self.scrubber.properties(without_ip(value, self.ip))
        else:
            kept = self.scrubber.properties({name: value})[name]
        return encoded if kept is value else kept

    def _of_private(self, known: EventType, body: bytes) -> bytes:
        """Of an event whose words are never stored: who, what and when, and no words anywhere."""
        try:
            event, repeated = _decoded(body)
            properties = event.get("properties")
            if not (properties is None or isinstance(properties, dict)):
                return _who(body)
            others = {name: event[name] for name in event.keys() - _FIELDS - {"properties"}}
            said: set[str] = set()
            if known.wordless:
                said = words_said(others, known.private) | words_said(properties or {}, known.private)
            kept = {
                name: value
                for name, value in event.items()
                if name in _FIELDS and _is_field(value) and not _repeats(name, value, said)
            }
            left = without_private_text(
                others, known.private, wordless=known.wordless, score=False, said=said
            )
            kept |= self.scrubber.properties({name: left[name] for name in others.keys() & left.keys()})
            if properties is not None:
                words = without_private_text(
                    properties, known.private, wordless=known.wordless, score=self.score, said=said
                )
                kept["properties"] = self.scrubber.properties(without_ip(dict(words), self.ip))
            in_order = {name: kept[name] for name in event if name in kept}
            return body if in_order == event and not repeated else encode(in_order)
        except (ValueError, OverflowError, RecursionError):
            return _who(body)

    def _of_unreadable(self, body: bytes) -> bytes:
        return _who(body) if mentions_private_event(body) else self._of_text(body)

    def _of_text(self, body: bytes) -> bytes:
        """Of bytes that are no JSON object: by their form alone, but for values that say whose they are."""
        # Bytes that are no UTF-8 come back as they were.
        text = body[:MAX_BODY_BYTES].decode("utf-8", "surrogateescape")
        if self.ip != "keep":
            text = _IP.sub(r"\1null", text)
        pieces: list[str] = []
        at = 0
        for found in _IDENTITY.finditer(text):
            pieces += (self.scrubber.text(text[at : found.start()]), found[0])
            at = found.end()
        kept = "".join((*pieces, self.scrubber.text(text[at:]))).encode("utf-8", "surrogateescape")
        return body if kept == body[:MAX_BODY_BYTES] else kept


def _private(event: dict[str, msgspec.Raw], body: bytes) -> EventType | None:
    """The event whose privacy holds; where that cannot be read, what the bytes mention decides."""
    name = _value(event.get("event"))
    properties = _value(event.get("properties", msgspec.Raw(b"{}")))
    if isinstance(name, str) and isinstance(properties, dict):
        return private_event(name, properties)
    return _WORDLESS if mentions_private_event(body) else None


def _value(encoded: msgspec.Raw | None) -> Any:
    """The value; None where it cannot be read, too."""
    try:
        return None if encoded is None else msgspec.json.decode(encoded)
    except (ValueError, RecursionError):
        return None


def _is_field(value: Any) -> bool:
    """Whether an event's own field can have the value; a longer or nested one may be anything."""
    return len(value) <= MAX_TEXT if isinstance(value, str) else not isinstance(value, dict | list)


def _repeats(name: str, value: Any, said: Set[str]) -> bool:
    """Whether an event's own field has words of its text, and not what such a field holds."""
    if name in _WHOSE or not isinstance(value, str) or (name == "source" and value in get_args(Source)):
        return False
    form_is_its_own = is_identifier(value) if name == "_origin" else may_stay(name, value)
    return not form_is_its_own and not said.isdisjoint(words_of(value))


def _decoded(body: bytes) -> tuple[dict[str, Any], bool]:
    """The object, and whether a name comes twice in it."""
    repeated = False

    def of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        found = dict(pairs)
        repeated = repeated or len(found) < len(pairs)
        return found

    # Not msgspec: of a name that comes twice the bytes hold a value that nobody would see.
    event: dict[str, Any] = json.loads(body, object_pairs_hook=of_pairs)
    return event, repeated


def _who(body: bytes) -> bytes:
    """Of a body that may hold somebody's words anywhere: whose it is and what, where that can be told."""
    found = {name: pattern.search(body) for name, pattern in _WHO.items()}
    return encode({name: match[1].decode() for name, match in found.items() if match is not None})
