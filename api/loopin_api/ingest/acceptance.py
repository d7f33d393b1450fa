"""Whether a claimed event may be published, and what of it: the last stop before the broker."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from loopin_api.ingest.claims import Claim, Note
from loopin_api.ingest.exceptions import LIST, fitted
from loopin_api.ingest.receipts import Receipt, ok, warning
from loopin_producers.uuid7 import uuid7
from loopin_schemas import Event, InvalidEvent, encode
from loopin_schemas.catalogue import check_properties_types
from loopin_schemas.codec import decode_object
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.topics import event_key
from loopin_schemas.validation import MAX_DISTANCE_MS, MAX_PROPERTIES_BYTES, check_fields, check_size
from loopin_streams.enrich.steps.clock_skew import MAX_FUTURE_MS, MIN_SKEW_MS, event_time

SENT_AT_IGNORED: Final = "sent_at_ignored"
IN_THE_FUTURE: Final = "timestamp_in_the_future"
EXCEPTION_CUT: Final = "exception_cut"
CATALOGUE: Final = "catalogue"

_LIST: Final = LIST.encode()


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
    properties = _protect(claim, protect)
    _check_times(claim, now_ms)
    faults = check_properties_types(event.event, properties)
    body = encode(event)
    check_size(body)
    if faults:
        claim.notes.append(Note(CATALOGUE, f"The catalogue expects otherwise: {', '.join(faults)}."))
    return Accepted(event_key(event.project, event.distinct_id), body, event.uuid, _receipt(event, claim))


def _protect(claim: Claim, protect: Protect) -> Mapping[str, Any]:
    """Check the event's fields and take out of its properties what is to be protected; gives those it had.

    An exception's are cut where they are too large, also when only the marks of what was taken out make
    them so: the stream would refuse it.
    """
    event = claim.event
    try:
        properties: Mapping[str, Any] = check_fields(event)
    except InvalidEvent as error:
        if error.code != "properties_too_large" or _LIST not in bytes(event.properties):
            raise
        # Only what is left of it is checked: its depth, and that it holds no NUL.
        properties = _decoded(event.properties, error)
    protected = protect(event.event, properties)
    if protected is not properties:
        event.properties = msgspec.Raw(encode(protected))
    if len(memoryview(event.properties)) > MAX_PROPERTIES_BYTES and LIST in protected:
        if (cut := fitted(protected, MAX_PROPERTIES_BYTES)) is not None:
            event.properties = msgspec.Raw(encode(cut))
            claim.notes.append(Note(EXCEPTION_CUT, "The exception's frames were cut to fit into 32 KB."))
        check_fields(event)
    return properties


def _decoded(properties: msgspec.Raw, error: InvalidEvent) -> dict[str, Any]:
    try:
        return decode_object(properties)
    except (ValueError, RecursionError):
        raise error from None


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
    if original is not None and _is_ahead(original, sent, now_ms):
        reason = "The timestamp is more than 23 hours ahead; the event will count at its arrival."
        claim.notes.append(Note(IN_THE_FUTURE, reason))


def _is_ahead(original: int, sent: int | None, now_ms: int) -> bool:
    """Whether the stream will take the time of arrival instead."""
    skew = 0 if sent is None else now_ms - sent
    return original + (skew if abs(skew) > MIN_SKEW_MS else 0) - now_ms > MAX_FUTURE_MS


def _receipt(event: Event, claim: Claim) -> Receipt:
    uuid = str(event.uuid)
    if not claim.notes:
        return ok(uuid)
    return warning(uuid, claim.notes[0].code, " ".join(note.reason for note in claim.notes))
