"""Each metric's SQL on the real engine, against the plain computation over the same events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from loopin_schemas.metrics import CATALOGUE, Dimension, Grain, Metric
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.scope import Periods, Scope, periods
from loopin_sinks.migrate import migrate
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from tests.metrics import plain
from tests.metrics.plain import World
from tests.metrics.stored import store_persons
from tests.metrics.worlds import NOW, world

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPIC_ID = "00000000-0000-0000-0000-000000000001"
WORLD = world(1)


def scope_of(of: World, **more: Any) -> Scope:
    return Scope(
        project=of.project,
        zone=of.zone,
        now=of.now,
        currency=of.currency,
        rates=of.rates,
        internal=sorted(of.internal),
        **more,
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """The engine with the world's events and persons."""
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("values") / "data")
    opened = open_store(chosen)
    await migrate(opened, chosen)
    rows = to_arrow(WORLD.events, 0, range(len(WORLD.events)), TOPIC_ID, lambda _: 3650, 0)
    for month, part in by_month(rows):
        await opened.insert("events", part, token=f"{uuid4()}:{month}")
    await store_persons(opened, WORLD)
    yield opened
    await opened.close()


Span = tuple[datetime, datetime]


def spans(asked: Periods) -> list[Span]:
    return list(zip(asked.edges, asked.edges[1:], strict=False))


def like(expected: list[float | None]) -> list[Any]:
    return [None if value is None else pytest.approx(value, rel=1e-9) for value in expected]


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
@pytest.mark.parametrize(
    ("grain", "days"),
    [
        ("day", 24),
        *(
            pytest.param(grain, days, marks=pytest.mark.scenario)
            for grain, days in (("hour", 2), ("week", 45), ("month", 110))
        ),
    ],
)
async def test_a_series_is_what_the_plain_computation_says(
    store: Store, metric: Metric, grain: Grain, days: int
) -> None:
    if grain not in metric.grains:
        pytest.skip(f"not told by {grain}")
    asked = periods(grain, WORLD.midnight(WORLD.day(NOW - timedelta(days=days))), NOW, WORLD.zone)
    found = await values_of(store, scope_of(WORLD), metric.definition, asked)
    got = [found.get((number, "")) for number in range(len(asked))]
    assert got == like([plain.calculate(metric.name, WORLD, *span) for span in spans(asked)])


def _last_online() -> Span:
    """A time that begins in the middle of the last minute in which somebody was online, for ten minutes."""
    latest = max(act.at for act in WORLD.active if "community_id" in act.properties and act.at < WORLD.now)
    last = latest.replace(second=0, microsecond=0) + timedelta(minutes=4, seconds=30)
    return last, last + timedelta(minutes=10)


ANYWHERE: list[Span] = [
    (datetime(2026, 2, 3, 4, 5, 6, 7000, UTC), datetime(2026, 3, 2, 22, 59, 1, tzinfo=UTC)),
    _last_online(),
]


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
async def test_a_span_that_begins_and_ends_anywhere(store: Store, metric: Metric) -> None:
    for span in ANYWHERE:
        found = await values_of(store, scope_of(WORLD), metric.definition, Periods(span))
        assert [found.get((0, ""))] == like([plain.calculate(metric.name, WORLD, *span)]), span


OFFERED: list[tuple[Metric, Dimension, str]] = [
    (metric, dimension, value)
    for metric in CATALOGUE
    for dimension, value in (
        ("country", "IN"),
        ("community", "3"),
        ("content_type", "post"),
        ("event_id", "event-5"),
    )
    if dimension in metric.dimensions
]


@pytest.mark.parametrize(
    ("metric", "dimension", "value"), OFFERED, ids=lambda each: getattr(each, "name", str(each))
)
async def test_one_value_of_a_dimension(
    store: Store, metric: Metric, dimension: Dimension, value: str
) -> None:
    """Asked for alone, and as one among all values."""
    asked = periods("week", WORLD.midnight(WORLD.day(NOW - timedelta(days=40))), NOW, WORLD.zone)
    if "week" not in metric.grains:
        asked = Periods((asked.start, asked.end))
    expected = [plain.calculate_where(metric.name, WORLD, *span, dimension, value) for span in spans(asked)]
    alone = await values_of(store, scope_of(WORLD, where={dimension: value}), metric.definition, asked)
    assert [alone.get((number, "")) for number in range(len(asked))] == like(expected)
    among = await values_of(store, scope_of(WORLD, by=dimension), metric.definition, asked)
    # What has not happened has no row; a series knows that it is 0.
    assert [among.get((number, value), 0) for number in range(len(asked))] == like(
        [found or 0 for found in expected]
    )
