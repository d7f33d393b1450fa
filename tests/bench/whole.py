"""J2's business logic, the same for every peer: decode, validate, enrich, and what the windows measure."""

from __future__ import annotations

from typing import Any

import msgspec

from loopin_schemas.errors import InvalidEvent
from loopin_schemas.event import EnrichedEvent, Event
from loopin_schemas.validation import check_fields, decode_event
from loopin_text.sentiment import label, score, texts_of

WINDOW_MS = 60_000
REVENUE_SIGNS = {"ticket_purchased": 1, "payment_refunded": -1}


def enrich(body: bytes, received_ms: int) -> EnrichedEvent | None:
    """The event with its sentiment, or None for one that is invalid and goes to the dead letters."""
    try:
        event = decode_event(body)
        properties = check_fields(event)
    except InvalidEvent:
        return None
    return _enriched(event, properties, received_ms)


def _enriched(event: Event, properties: dict[str, Any], received_ms: int) -> EnrichedEvent:
    assert isinstance(event.timestamp, int)
    assert event.uuid is not None
    text = texts_of(properties)
    sentiment = None if text is None else score(text)
    return EnrichedEvent(
        uuid=event.uuid,
        project=event.project,
        event=event.event,
        distinct_id=event.distinct_id,
        timestamp=event.timestamp,
        received_at=received_ms,
        original_timestamp=event.timestamp,
        session_id=event.session_id,
        properties=event.properties,
        source=event.source,
        sentiment=sentiment,
        sentiment_label=None if sentiment is None else label(sentiment),
        raw_partition=0,
        raw_offset=0,
    )


class _Measured(msgspec.Struct):
    """The properties that windows need."""

    country: str
    amount: float = 0.0


_decode_measured = msgspec.json.Decoder(_Measured).decode


class Measure(msgspec.Struct, gc=False):
    """What windows add up of one event; times are epoch ms."""

    event: str
    country: str
    timestamp: int
    revenue: float
    sentiment: float | None
    distinct_id: str

    @property
    def start(self) -> int:
        """Start of its minute."""
        return self.timestamp - self.timestamp % WINDOW_MS

    @property
    def series(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The dimensions and values that it counts under."""
        return ("event", self.event), ("country", self.country)


def measure(event: EnrichedEvent) -> Measure:
    """What the windows need of an enriched event."""
    found = _decode_measured(event.properties)
    revenue = REVENUE_SIGNS.get(event.event, 0) * found.amount
    return Measure(event.event, found.country, event.timestamp, revenue, event.sentiment, event.distinct_id)


class Cell(msgspec.Struct):
    """One minute of one series while it is open."""

    count: int = 0
    revenue: float = 0.0
    scored: int = 0
    mood: float = 0.0
    users: set[str] = msgspec.field(default_factory=set)

    def add(self, measured: Measure) -> None:
        """Count one event in."""
        self.count += 1
        self.revenue += measured.revenue
        if measured.sentiment is not None:
            self.scored += 1
            self.mood += measured.sentiment
        self.users.add(measured.distinct_id)


class WindowRow(msgspec.Struct, kw_only=True):
    """A window as it is stored; a row of a greater version replaces an earlier one."""

    dimension: str
    value: str
    start: int
    count: int
    revenue: float
    scored: int
    mood: float
    users: int


def window_row(dimension: str, value: str, start: int, cell: Cell) -> WindowRow:
    """The row of a window."""
    return WindowRow(
        dimension=dimension,
        value=value,
        start=start,
        count=cell.count,
        revenue=cell.revenue,
        scored=cell.scored,
        mood=cell.mood,
        users=len(cell.users),
    )
