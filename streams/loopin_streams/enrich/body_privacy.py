"""Bytes of a record that failed, without private text, personal data, and the client's address.

Who the event is about stays, with all other fields of the event: a replay would else count it for a stranger.
Its properties lose what they would have lost on the way, so that a replay of what is left stores the same.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from loopin_schemas.catalogue import by_name
from loopin_schemas.codec import decode, encode
from loopin_schemas.dead_letter import MAX_BODY_BYTES
from loopin_schemas.event import Event
from loopin_streams.enrich.ip_address import Privacy
from loopin_streams.enrich.ip_privacy import without_ip
from loopin_text.pii import Scrubber

_FIELDS: Final = frozenset(Event.__struct_encode_fields__) - {"properties"}

_IDENTITY: Final = re.compile(
    r'"(?:project|event|distinct_id|uuid|parent_uuid|session_id|source|timestamp|sent_at|_origin|alias'
    r'|\$anon_distinct_id)"[ \t\r\n]*+:[ \t\r\n]*+"(?:[^"\\]|\\.)*+"?'
)
_IP: Final = re.compile(r'("(?:\$ip|ip|ip_address)"[ \t\r\n]*+:[ \t\r\n]*+)"[^"\n]*+"?')


@dataclass(frozen=True, slots=True)
class BodyPrivacy:
    """What is taken out of the body of a dead letter."""

    scrubber: Scrubber
    ip: Privacy

    def apply(self, body: bytes) -> bytes:
        """The body without it; the very same object where there was nothing."""
        try:
            event = decode(body, dict[str, msgspec.Raw])
        except (ValueError, RecursionError):
            return self._of_text(body)
        kept: dict[str, Any] = {
            name: self._of_field(name, value, event) for name, value in event.items() if name not in _FIELDS
        }
        changed = {name: value for name, value in kept.items() if value is not event[name]}
        return encode({**event, **changed}) if changed else body

    def _of_field(self, name: str, encoded: msgspec.Raw, event: dict[str, msgspec.Raw]) -> Any:
        """The value to encode, or the very same one."""
        try:
            value = msgspec.json.decode(encoded)
        except (ValueError, RecursionError):
            return encoded
        if name != "properties" or not isinstance(value, dict):
            kept = self.scrubber.properties({name: value})[name]
            return encoded if kept is value else kept
        private = _private(event)
        kept = value if private.isdisjoint(value) else {n: v for n, v in value.items() if n not in private}
        kept = self.scrubber.properties(without_ip(kept, self.ip))
        return encoded if kept is value else kept

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


def _private(event: dict[str, msgspec.Raw]) -> frozenset[str]:
    try:
        name = msgspec.json.decode(event.get("event", b"null"))
    except (ValueError, RecursionError):
        return frozenset()
    known = by_name(name) if isinstance(name, str) else None
    return frozenset(known.private) if known is not None else frozenset()
