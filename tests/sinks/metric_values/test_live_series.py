"""Metrics that the stream's windows know, too: the windows' numbers are the plain computation's.

The windows are those that a repair makes of the stored events; that the stream's are the same is shown in
``tests/sinks/repair/test_both_definitions.py``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from loopin_schemas.metrics import CATALOGUE, Metric
from loopin_schemas.metrics.stream import Series, series_of
from loopin_sinks.migrate import migrate
from loopin_sinks.repair.recompute import recompute_windows
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.projects.project import Project, Retention
from tests.metrics import plain
from tests.metrics.stored import store_persons
from tests.metrics.worlds import world

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPIC_ID = "00000000-0000-0000-0000-000000000001"
WORLD = replace(world(3), zone=UTC, internal=frozenset(), rates={})
DAYS = [datetime(2026, 2, 20, tzinfo=UTC) + timedelta(days=day) for day in range(9)]

LIVE = [(metric, series) for metric in CATALOGUE if (series := series_of(metric)) is not None]


async def test_the_live_ones() -> None:
    """All that are counts of events, ratios of counts, means, and revenue; and users of a day."""
    names = {metric.name for metric, _ in LIVE}
    assert {
        "dau",
        "revenue",
        "searches",
        "content_interactions",
        "payment_failure_rate",
        "satisfaction",
        "error_rate",
    } <= names
    assert not {"wau", "sessions", "slow_response_p95", "rpu", "churn_rate"} & names
    assert len(names) == 30


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def windows(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Store]:
    """The engine with the world's events, persons and windows of days."""
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("live") / "data")
    opened = open_store(chosen)
    await migrate(opened, chosen)
    rows = to_arrow(WORLD.events, 0, range(len(WORLD.events)), TOPIC_ID, lambda _: 3650, 0)
    for month, part in by_month(rows):
        await opened.insert("events", part, token=f"{uuid4()}:{month}")
    await store_persons(opened, WORLD)
    for of_month in (2, 3):
        starts = [int(day.timestamp() * 1000) for day in DAYS if day.month == of_month]
        if starts:
            of = Project(currency=WORLD.currency, retention=Retention(3650))
            await recompute_windows(opened, WORLD.project, "day", starts, of=of, now_ms=1)
    yield opened
    await opened.close()


async def told(store: Store, series: Series, day: datetime, dimension: str, value: str) -> float | None:
    rows: list[dict[str, Any]] = await store.query(
        "SELECT argMax(count, revision) AS count, toFloat64(argMax(sum, revision)) AS sum "
        "FROM metric_windows WHERE project = {project:String} AND metric = {metric:String} AND grain = 'day' "
        "AND dimension = {dimension:String} AND dimension_value = {value:String} "
        "AND toUnixTimestamp(start) = {day:Int64} HAVING count() > 0",
        {
            "project": WORLD.project,
            "metric": series.metric,
            "dimension": dimension,
            "value": value,
            "day": int(day.timestamp()),
        },
    )
    if not rows:
        return None if series.statistic == "mean" else 0.0
    count, total = int(rows[0]["count"]), rows[0]["sum"]
    if series.statistic == "count":
        return float(count)
    return total if series.statistic == "sum" else total / count if count else None


@pytest.mark.parametrize(("metric", "series"), LIVE, ids=[metric.name for metric, _ in LIVE])
async def test_a_days_window_has_the_metrics_value(windows: Store, metric: Metric, series: Series) -> None:
    for day in DAYS:
        expected = plain.calculate(metric.name, WORLD, day, day + timedelta(days=1))
        found = await told(windows, series, day, series.dimension, series.value)
        assert found == pytest.approx(expected, abs=1e-6) if expected is not None else found is None, day


OWN = [(metric, series) for metric, series in LIVE if series.own and metric.name != "dau"]


@pytest.mark.parametrize(("metric", "series"), OWN, ids=[metric.name for metric, _ in OWN])
async def test_a_countrys_window_has_it_too(windows: Store, metric: Metric, series: Series) -> None:
    for day in DAYS[:4]:
        span = day, day + timedelta(days=1)
        expected = plain.calculate_where(metric.name, WORLD, *span, "country", "IN")
        found = await told(windows, series, day, "country", "IN")
        assert found == pytest.approx(expected, abs=1e-6) if expected is not None else found is None, day
