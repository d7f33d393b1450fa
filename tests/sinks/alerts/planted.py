"""Events that somebody planted, in a store."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import msgspec

from loopin_schemas.event import EnrichedEvent
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
NOW = 1_780_000_040_000
"""20 s after a full minute, epoch ms: 2026-05-28T20:27:20Z."""

TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

_numbers = count()


def event(name: str, who: str, at: int, project: str = "shop", **properties: Any) -> EnrichedEvent:
    """One event as the stream passes it on; ``at`` is epoch ms."""
    number = next(_numbers)
    return EnrichedEvent(
        uuid=str(uuid.UUID(int=number)),
        project=project,
        event=name,
        distinct_id=who,
        timestamp=at,
        received_at=at,
        properties=msgspec.Raw(json.dumps(properties).encode()),
        raw_partition=0,
        raw_offset=number,
    )


async def store_events(store: Store, events: Iterable[EnrichedEvent]) -> None:
    """Insert the events, to be kept for ten years."""
    held = list(events)
    table = to_arrow(held, 0, [each.raw_offset for each in held], TOPIC_ID, lambda _: 3650, 0)
    for _, part in by_month(table):
        await store.insert("events", part, token=str(uuid.uuid4()))


def times(number: int, start: int, end: int) -> Iterator[int]:
    """So many moments, spread over a time whose end is excluded."""
    return (start + (end - start) * each // number for each in range(number))


def said(of: EnrichedEvent) -> dict[str, Any]:
    """An event's properties."""
    found: dict[str, Any] = json.loads(bytes(of.properties))
    return found


def within(events: Iterable[EnrichedEvent], start: int, end: int, *names: str) -> Sequence[EnrichedEvent]:
    """Those of the project in a time, its end excluded, of these names or all."""
    return [
        each
        for each in events
        if each.project == "shop" and start <= each.timestamp < end and each.event in (names or (each.event,))
    ]
