"""The event's time, corrected by what the client's clock is wrong by."""

from __future__ import annotations

from loopin_schemas.errors import InvalidEvent
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.validation import MAX_DISTANCE_MS, check_event_time
from loopin_streams.enrich.draft import Context, Dlq, Draft, Outcome

MIN_SKEW_MS = 60_000
"""Clocks that differ by less are taken as right: the difference is mostly the way to the broker."""

MAX_FUTURE_MS = 23 * 3_600_000
"""An event further ahead is set to its arrival; less may be a client's time zone (PostHog's rule)."""


def correct_clock(draft: Draft, context: Context) -> Outcome:
    """Begin the enriched event, with all four times.

    A client that says when it sent is corrected by the difference to the broker's append time.
    """
    event, received = draft.event, draft.received_at
    try:
        original = None if event.timestamp is None else parse_timestamp(event.timestamp, "timestamp")
        sent = None if event.sent_at is None else parse_timestamp(event.sent_at, "sent_at")
        queued = None if event.queued_at is None else parse_timestamp(event.queued_at, "queued_at")
        timestamp = event_time(original, sent, received)
    except InvalidEvent as error:
        return Dlq(error.code, error.field, error.reason)
    draft.enriched = EnrichedEvent(
        uuid=draft.uuid,
        project=event.project,
        event=event.event,
        distinct_id=event.distinct_id,
        timestamp=timestamp,
        received_at=received,
        original_timestamp=original,
        sent_at=queued if sent is None else sent,
        session_id=event.session_id or _session_of(draft),
        properties=event.properties,
        source=event.source,
        parent_uuid=event.parent_uuid,
        raw_partition=context.origin.partition,
        raw_offset=draft.record.offset,
        origin=event.origin,
    )
    return None


def event_time(original: int | None, sent: int | None, received: int) -> int:
    """The time of an event whose client claims ``original`` and sent at ``sent``; all in epoch ms.

    Raises:
        InvalidEvent: ``timestamp_out_of_range``, of ``timestamp`` or ``sent_at``.
    """
    timestamp = _corrected(original, sent, received)
    check_event_time(timestamp, received)
    return received if timestamp - received > MAX_FUTURE_MS else timestamp


def _corrected(original: int | None, sent: int | None, received: int) -> int:
    if original is None:
        return received
    skew = received - sent if sent is not None else 0
    if abs(skew) > MAX_DISTANCE_MS:
        raise InvalidEvent(
            "timestamp_out_of_range",
            "sent_at",
            "The sent_at is more than five years from the event's arrival; send the time of sending in "
            "milliseconds.",
        )
    return original + skew if abs(skew) > MIN_SKEW_MS else original


def _session_of(draft: Draft) -> str | None:
    session = draft.properties.get("$session_id")
    return session if isinstance(session, str) and 0 < len(session) <= 200 else None
