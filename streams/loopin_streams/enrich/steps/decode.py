"""Bytes to an event, and the uuid that it lacks."""

from __future__ import annotations

from hashlib import blake2b

from loopin_schemas.errors import InvalidEvent
from loopin_schemas.uuids import uuid8
from loopin_schemas.validation import decode_event
from loopin_streams.enrich.draft import Context, Dlq, Draft, Origin, Outcome


def decode(draft: Draft, context: Context) -> Outcome:
    """Decode the record's value; an event without uuid gets one derived from its place in the log."""
    body = draft.record.value
    if not body:
        return Dlq("empty_body", None, "The record has no value; publish one JSON object.")
    try:
        draft.event = decode_event(body)
    except InvalidEvent as error:
        return Dlq(error.code, error.field, error.reason)
    draft.uuid = draft.event.uuid or derived_uuid(context.origin, draft.record.offset)
    return None


def derived_uuid(origin: Origin, offset: int) -> str:
    """A uuid (version 8, RFC 9562) of the record itself: the same whenever it is read again."""
    place = f"{origin.topic_id}:{origin.partition}:{offset}".encode()
    return uuid8(blake2b(place, digest_size=16).digest())
