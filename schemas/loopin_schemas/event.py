"""The event as clients publish it, and as it stands after enrichment."""

from __future__ import annotations

from typing import Literal

import msgspec

from loopin_schemas.window import Grain

Source = Literal["sdk", "api", "signal", "middleware", "manual", "ai"]
"""Where an event was made (document A's "source tracking")."""

NO_PROPERTIES = msgspec.Raw(b"{}")


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One event on ``events.raw``; the fields a client may send.

    ``timestamp`` and ``sent_at`` are ISO 8601 text or epoch milliseconds, by the client's clock. The
    difference of ``sent_at`` to the broker's append time is taken for an error of that clock, so only a
    client that sends at that very moment may set it; one that queues says ``queued_at`` (epoch ms) instead,
    because a queue that waits for the broker is no clock error. ``timestamp`` defaults to the broker's
    append time. ``uuid`` identifies the event for ever: a second one with the same uuid is a duplicate.
    ``properties`` stays encoded JSON until a step needs it. Only ``loopin dlq replay`` sets ``_origin``: the
    place (``topic_id:partition:offset``) of the record that failed and was repaired, the first such one where
    the repaired event failed again.
    """

    project: str
    event: str
    distinct_id: str
    uuid: str | None = None
    timestamp: str | int | float | None = None
    sent_at: str | int | float | None = None
    queued_at: int | None = None
    session_id: str | None = None
    properties: msgspec.Raw = NO_PROPERTIES
    source: Source = "sdk"
    parent_uuid: str | None = None
    origin: str | None = msgspec.field(default=None, name="_origin")


class EnrichedEvent(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One event on ``events.enriched``: validated, corrected in time, scored.

    All times are epoch milliseconds UTC. ``timestamp`` is the corrected event time,
    ``original_timestamp`` the client's claim, ``sent_at`` the client's clock when it sent or queued,
    ``received_at`` the broker's append time. ``sentiment`` is VADER's compound score, -1 to 1.
    ``warnings`` names catalogued properties that do not have the catalogue's type. ``late`` is the longest
    window that the event came too late for.
    ``_raw_partition`` and ``_raw_offset`` say which record of ``events.raw`` it came from, ``_origin`` which
    one before that had failed and was repaired.
    """

    uuid: str
    project: str
    event: str
    distinct_id: str
    timestamp: int
    received_at: int
    original_timestamp: int | None = None
    sent_at: int | None = None
    session_id: str | None = None
    properties: msgspec.Raw = NO_PROPERTIES
    source: Source = "sdk"
    parent_uuid: str | None = None
    sentiment: float | None = None
    sentiment_label: Literal["positive", "neutral", "negative"] | None = None
    warnings: tuple[str, ...] = ()
    late: Grain | None = None
    raw_partition: int = msgspec.field(name="_raw_partition")
    raw_offset: int = msgspec.field(name="_raw_offset")
    origin: str | None = msgspec.field(default=None, name="_origin")
