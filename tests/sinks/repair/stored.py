"""Events and windows in a store, and what a plain reading finds there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import count
from uuid import UUID, uuid4

import msgspec

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.window import Grain, MetricWindow
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store
from loopin_sinks.window_rows import windows_to_arrow
from loopin_streams.projects.project import Retention
from tests.sinks.repair.plain import Happened, Numbers, Series

TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
KEPT_DAYS = 90
STREAM = 1_800_000_000_000
"""A revision of the stream's: a time of this century."""

_numbers = count()


def enriched(event: Happened, *, late: Grain | None = None, uuid: str | None = None) -> EnrichedEvent:
    """The event as the stream passes it on."""
    number = next(_numbers)
    return EnrichedEvent(
        uuid=uuid or str(UUID(int=number)),
        project=event.project,
        event=event.event,
        distinct_id=event.distinct_id,
        timestamp=event.at,
        received_at=event.at,
        properties=msgspec.Raw(event.properties.encode()),
        sentiment=None if event.sentiment is None else event.sentiment / 1_000_000,
        late=late,
        raw_partition=0,
        raw_offset=number,
    )


async def store_events(store: Store, events: Iterable[EnrichedEvent]) -> None:
    """Insert the events, whatever they are."""
    held = list(events)
    offsets = [event.raw_offset for event in held]
    table = to_arrow(held, 0, offsets, TOPIC_ID, lambda _: KEPT_DAYS, STREAM)
    for _, part in by_month(table):
        await store.insert("events", part, token=str(uuid4()))


async def store_windows(
    store: Store, windows: Mapping[Series, Numbers], *, revision: int = STREAM, closed: bool = True
) -> None:
    """Insert windows as the stream leaves them."""
    rows = [_metric_window(series, numbers, revision, closed) for series, numbers in windows.items()]
    for _, part in by_month(windows_to_arrow(rows, lambda _: Retention(KEPT_DAYS), STREAM), "start"):
        await store.insert("metric_windows", part, token=str(uuid4()))


async def all_rows(store: Store) -> list[tuple[Series, int, Numbers]]:
    """Every row of ``metric_windows``: series, revision, numbers."""
    rows = []
    async with store.stream(
        "SELECT toString(project), toString(metric), toString(dimension), dimension_value, toString(grain), "
        "toUnixTimestamp(start), revision, count, toString(sum), toString(min), toString(max) "
        "FROM metric_windows"
    ) as found:
        async for block in found:
            for project, metric, dimension, value, grain, start, revision, number, *measured in block:
                numbers = Numbers(number, *map(_millionths, measured))
                series = Series(project, metric, dimension, value, grain, start * 1000)
                rows.append((series, revision, numbers))
    return rows


async def newest_rows(store: Store) -> dict[Series, Numbers]:
    """What counts: of each series the row with the greatest revision."""
    newest: dict[Series, tuple[int, Numbers]] = {}
    for series, revision, numbers in await all_rows(store):
        known = newest.get(series)
        if known is None or known[0] < revision:
            newest[series] = (revision, numbers)
        else:
            assert known[0] != revision or known[1] == numbers, f"two rows of {series} claim to be the newest"
    return {series: numbers for series, (_, numbers) in newest.items()}


async def windows_found(store: Store) -> dict[Series, Numbers]:
    """The newest rows that count something."""
    rows = await newest_rows(store)
    return {series: numbers for series, numbers in rows.items() if numbers.number or numbers.sum}


def _metric_window(series: Series, numbers: Numbers, revision: int, closed: bool) -> MetricWindow:
    return msgspec.convert(
        {
            **series._asdict(),
            "count": numbers.number,
            "sum": numbers.sum,
            "min": numbers.min,
            "max": numbers.max,
            "revision": revision,
            "closed": closed,
        },
        MetricWindow,
    )


def _millionths(text: str | None) -> int | None:
    if text is None:
        return None
    exact = Decimal(text) * 1_000_000
    assert exact == int(exact)
    return int(exact)
