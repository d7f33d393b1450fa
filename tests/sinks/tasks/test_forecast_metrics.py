"""The task keeps a forecast of each metric that is wanted, and a project that fails stops no other."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from loopin_schemas.metrics import by_name
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks.forecast_metrics import FORECAST_METRICS, ForecastArguments, forecast_metrics
from loopin_sinks.tasks.task import Context
from loopin_streams.kafka.config_state import Configuration
from tests.migrated import migrated_store
from tests.streams.projects.own import configured

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = (datetime.now(UTC) - timedelta(days=1)).replace(hour=0, minute=40, second=0, microsecond=0)
TODAY = NOW.replace(hour=0, minute=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("forecast_metrics"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("metric_values", "forecasts", "forecast_runs"):
        await opened.command(f"TRUNCATE TABLE {table}")
    for project in ("desk", "shop"):
        for name in ("dau", "revenue", "new_registrations", "sessions"):
            await _keep(opened, project, name)
    return opened


async def _keep(store: Store, project: str, name: str) -> None:
    metric = by_name(name)
    assert metric is not None
    scope = Scope(project=project, zone=UTC, now=NOW)
    days = range(1, 61)
    await keep(
        store,
        scope,
        [NewValue(metric, "day", TODAY - day * timedelta(days=1), 50.0 + day % 7, NOW) for day in days],
    )


async def run(store: Store, configuration: Configuration | None = None, **arguments: Any) -> int:
    seen: list[tuple[int, int]] = []

    def scope(project: str, now: datetime) -> Scope:
        if project == "desk" and arguments.get("names") == ("dau",):
            raise StoreError("query_failed", "The store refused.")
        return Scope(project=project, zone=UTC, now=now)

    context = Context(
        store,
        configuration or Configuration(),
        scope,
        lambda: NOW,
        msgspec.convert(arguments, ForecastArguments),
        progress=lambda done, total: seen.append((done, total)),
    )
    written = await forecast_metrics(context)
    assert seen[-1][0] == seen[-1][1]
    return written


async def made(store: Store) -> list[tuple[str, str, int]]:
    rows = await store.query(
        "SELECT project, metric, count() AS days FROM forecasts GROUP BY ALL ORDER BY project, metric"
    )
    return [(row["project"], row["metric"], row["days"]) for row in rows]


async def test_three_metrics_of_every_project_are_forecast_for_a_month(store: Store) -> None:
    assert await run(store) == 180
    names = ("dau", "new_registrations", "revenue")
    assert await made(store) == [(project, name, 30) for project in ("desk", "shop") for name in names]
    # Of two months there is no model yet: by the last week.
    rows = await store.query("SELECT DISTINCT method, model FROM forecasts")
    assert rows == [{"method": "heuristic", "model": "seasonal_naive"}]


async def test_a_schedule_names_projects_metrics_and_days(store: Store) -> None:
    assert await run(store, projects=("shop",), names=("sessions", "unknown"), horizon=7) == 7
    assert await made(store) == [("shop", "sessions", 7)]


async def test_a_project_names_metrics_and_holidays_of_its_own(store: Store) -> None:
    own = configured(shop={"forecasts": ["sessions"], "holidays": "IN"})
    assert await run(store, own) == 210
    assert [name for project, name, _ in await made(store) if project == "shop"] == [
        "dau",
        "new_registrations",
        "revenue",
        "sessions",
    ]
    rows = await store.query(
        "SELECT DISTINCT project, JSONExtractString(body, 'holidays') AS of FROM forecast_runs"
    )
    assert {row["project"]: row["of"] for row in rows} == {"shop": "IN", "desk": ""}


async def test_a_country_of_which_nothing_is_known_is_refused_or_left_out(store: Store) -> None:
    with pytest.raises(StoreError, match="Nothing is known of the holidays of XX"):
        await run(store, holidays="XX", projects=["shop"])
    # As a setting it stops nobody's forecasts.
    unknown = configured(shop={"holidays": "XX"})
    assert await run(store, unknown, projects=["shop"]) == 90


async def test_a_project_that_fails_stops_no_other(store: Store) -> None:
    with pytest.raises(StoreError, match="The store refused"):
        await run(store, names=("dau",))
    assert await made(store) == [("shop", "dau", 30)]


async def test_without_its_libraries_it_says_what_to_install(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "loopin_sinks.forecasts.make", None)
    with pytest.raises(StoreError, match=r"install loopin-analytics\[models\]"):
        await run(store)
    assert await made(store) == []


async def test_it_is_due_at_night_once_the_day_is_calculated() -> None:
    assert str(FORECAST_METRICS.when) == "40 0 * * *"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"horizon": 0}, ForecastArguments)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"holidays": "Germany"}, ForecastArguments)
