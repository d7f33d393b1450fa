"""Whether a claimed event may be published, and what of it: the last stop before the broker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from loopin_api.ingest.claims import Claim, Note
from loopin_api.ingest.receipts import Receipt, ok, warning
from loopin_producers.uuid7 import uuid7
from loopin_schemas import Event, InvalidEvent, encode
from loopin_schemas.catalogue import check_properties_types
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.topics import event_key
from loopin_schemas.validation import MAX_DISTANCE_MS, check_fields, check_size
from loopin_streams.enrich.steps.clock_skew import event_time

SENT_AT_IGNORED: Final = "sent_at_ignored"
CATALOGUE: Final = "catalogue"


class Protect(Protocol):
    """Takes out of an event's properties what must not leave this process."""

    def __call__(self, event: str, properties: Mapping[str, Any]) -> Mapping[str, Any]:
        """The properties without it: the very same mapping where there is nothing of it."""
        ...


class Accepted(NamedTuple):
    """A record to publish, and the receipt that its acknowledgement earns."""

    key: bytes
    body: bytes
    uuid: str
    receipt: Receipt


def accept(claim: Claim, now_ms: int, protect: Protect) -> Accepted:
    """The record of an event that arrives at ``now_ms`` (epoch ms).

    Raises:
        InvalidEvent: it breaks a rule.
    """
    event = claim.event
    event.uuid = event.uuid.lower() if event.uuid else str(uuid7())
    properties: Mapping[str, Any] = check_fields(event)
    _check_times(claim, now_ms)
    faults = check_properties_types(event.event, properties)
    protected = protect(event.event, properties)
    if protected is not properties:
        event.properties = msgspec.Raw(encode(protected))
    body = encode(event)
    check_size(body)
    if faults:
        claim.notes.append(Note(CATALOGUE, f"The catalogue expects otherwise: {', '.join(faults)}."))
    return Accepted(event_key(event.project, event.distinct_id), body, event.uuid, _receipt(event, claim))


def _check_times(claim: Claim, now_ms: int) -> None:
    """That the stream will find the event's time possible; it corrects it by ``sent_at`` itself, once."""
    event = claim.event
    original = None if event.timestamp is None else parse_timestamp(event.timestamp)
    sent = None
    if event.sent_at is not None:
        with suppress(InvalidEvent):
            sent = parse_timestamp(event.sent_at, "sent_at")
        if sent is None or abs(now_ms - sent) > MAX_DISTANCE_MS:
            event.sent_at = sent = None
            claim.notes.append(
                Note(SENT_AT_IGNORED, "The sent_at is impossible; the event's time was not corrected.")
            )
    if event.queued_at is not None:
        parse_timestamp(event.queued_at, "queued_at")
    event_time(original, sent, now_ms)


def _receipt(event: Event, claim: Claim) -> Receipt:
    uuid = str(event.uuid)
    if not claim.notes:
        return ok(uuid)
    return warning(uuid, claim.notes[0].code, " ".join(note.reason for note in claim.notes))
