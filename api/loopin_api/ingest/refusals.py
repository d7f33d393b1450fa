"""Refused events of which the client will not learn, on their way to the dead letters.

The stream makes a dead letter of what breaks a rule, with the rule and the field; it is told of these events
by a record that breaks the same one. None must be such that the stream takes it for an event.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from loopin_api.ingest.acceptance import Accepted
from loopin_api.ingest.claims import Claim
from loopin_api.ingest.receipts import Receipt
from loopin_api.settings import ApiSettings
from loopin_producers.uuid7 import uuid7
from loopin_schemas import InvalidEvent, encode
from loopin_schemas.codec import decode
from loopin_schemas.dead_letter import MAX_BODY_BYTES
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.topics import event_key
from loopin_schemas.validation import decode_event, validate
from loopin_streams.enrich.body_privacy import BodyPrivacy
from loopin_streams.enrich.steps.clock_skew import event_time
from loopin_text.pii import Scrubber

MAX_BYTES: Final = 900 * 1024
"""Longest event that is kept."""

KEPT_BYTES: Final = 120 * 1024
"""So much is kept of one whose dead letter would be cut, and say no more whose it is: as text, which may
take twice as much, and all the same too large for an event."""

REFUSED: Final = "refused"
"""Field that holds what is no event at all, or would be one without the rule that refused it."""
CODE: Final = "code"

_KEYS: Final = ("api_key", "token", "$token", "writeKey")


class Refusals:
    """Makes records of refused events, without what must not leave this process."""

    def __init__(self, settings: ApiSettings) -> None:
        scrubber = Scrubber(frozenset(settings.scrub), frozenset(settings.scrub_except))
        # Addresses of clients are left to the stream, as they are in events.
        self._privacy = BodyPrivacy(scrubber, "keep", settings.ai_enabled)

    def letter(
        self, project: str, raw: Raw, claimed: Callable[[Raw], Claim], receipt: Receipt, now_ms: int
    ) -> Accepted | None:
        """The record of an event that was refused at ``now_ms`` (epoch ms), or None where it is too long."""
        if len(memoryview(raw)) > MAX_BYTES:
            return None
        body = self._privacy.apply(_as_event(project, raw, claimed))
        if _is_event(body, now_ms):
            body = encode({"project": project, CODE: receipt.code, REFUSED: Raw(body)})
        if len(body) > MAX_BODY_BYTES:
            text = body[:KEPT_BYTES].decode(errors="ignore")
            body = encode({"project": project, CODE: receipt.code, REFUSED: text})
        uuid = receipt.uuid or str(uuid7())
        return Accepted(event_key(project, uuid), body, uuid, receipt)


def _as_event(project: str, raw: Raw, claimed: Callable[[Raw], Claim]) -> bytes:
    """The event as it would have been published, else what the client sent, in the project's name."""
    try:
        return encode(claimed(raw).event)
    except (InvalidEvent, RecursionError):
        pass
    try:
        said = decode(bytes(raw), dict[str, Raw])
    except (ValueError, RecursionError):
        return encode({"project": project, REFUSED: _readable(raw)})
    said = {name: value for name, value in said.items() if name not in _KEYS}
    return encode({**_each(said), "project": project})


def _each(said: Mapping[str, Raw]) -> dict[str, Any]:
    return {name: _readable(value) for name, value in said.items()}


def _readable(value: Raw) -> Any:
    """The value, or its text where nobody could find out what in it is private."""
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return bytes(value).decode(errors="replace")


def _is_event(body: bytes, now_ms: int) -> bool:
    """Whether the stream would take it for an event."""
    try:
        event = decode_event(body)
        validate(event)
        original = None if event.timestamp is None else parse_timestamp(event.timestamp)
        sent = None if event.sent_at is None else parse_timestamp(event.sent_at, "sent_at")
        if event.queued_at is not None:
            parse_timestamp(event.queued_at, "queued_at")
        event_time(original, sent, now_ms)
    except InvalidEvent:
        return False
    return True
