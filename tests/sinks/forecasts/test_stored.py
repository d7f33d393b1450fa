"""What is kept of forecasts, which of them is told, and the history that they are made of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest
import pytest_asyncio

from loopin_schemas.metrics import Metric, by_name
from loopin_schemas.metrics.custom import CountOf, CustomMetric, RatioOf, Selection, SumOf
from loopin_sinks.forecasts.history import bounds_of, past
from loopin_sinks.forecasts.made import Made
from loopin_sinks.forecasts.make import make
from loopin_sinks.forecasts.series import Bounds
from loopin_sinks.forecasts.stored import forecasts_before, keep_forecast, newest_forecast
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.metric_history.history import event, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = (datetime.now(UTC) - timedelta(days=1)).replace(hour=6, minute=20, second=0, microsecond=0)
TODAY = NOW.replace(hour=0, minute=0)
DAY = timedelta(days=1)
SCOPE = Scope(project="shop", zone=UTC, now=NOW, currency="EUR")


def metric(name: str) -> Metric:
    found = by_name(name)
    assert found is not None
    return found


DAU, REVENUE = metric("dau"), metric("revenue")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("forecasts"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("events", "metric_values", "forecasts", "forecast_runs"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


async def keep_days(store: Store, of: Metric, values: list[float | None], scope: Scope = SCOPE) -> None:
    """The days before today, the last one yesterday."""
    first = TODAY - len(values) * DAY
    await keep(
        store, scope, [NewValue(of, "day", first + n * DAY, value, NOW) for n, value in enumerate(values)]
    )


async def test_history_is_what_is_kept_of_days_that_are_over(store: Store) -> None:
    await keep_days(store, DAU, [0.0, 5.0, None, 7.0])
    await keep(
        store,
        SCOPE,
        [NewValue(DAU, "day", TODAY, 3.0, NOW), NewValue(DAU, "week", TODAY - 3 * DAY, 9.0, NOW)],
    )
    await keep(
        store,
        replace(SCOPE, zone=ZoneInfo("Asia/Kolkata")),
        [NewValue(DAU, "day", TODAY - 2 * DAY, 99.0, NOW)],
    )
    found = await past(store, SCOPE, DAU)
    assert found.values.first == (TODAY - 3 * DAY).date()
    np.testing.assert_array_equal(found.values.values, [5.0, np.nan, 7.0])
    assert found.calculated_at == NOW


async def test_days_that_are_not_kept_are_told_by_their_events(store: Store) -> None:
    await put(
        store,
        *(
            event(TODAY - days * DAY + timedelta(hours=2), user=f"u{n}")
            for days in (5, 3, 1, 0)
            for n in range(days + 1)
        ),
    )
    await keep_days(
        store, DAU, [70.0, 60.0, 50.0, 40.0, 30.0, 20.0]
    )  # until yesterday, of which all are kept
    found = await past(store, SCOPE, DAU)
    np.testing.assert_array_equal(found.values.values, [70.0, 60.0, 50.0, 40.0, 30.0, 20.0])
    await store.command("TRUNCATE TABLE metric_values")
    await keep_days(store, DAU, [44.0, 33.0, None])
    found = await past(store, SCOPE, DAU)
    # Five days ago six users, then nobody; then what is kept.
    np.testing.assert_array_equal(found.values.values, [6.0, 0.0, 44.0, 33.0])
    # Kept on other terms: its events are asked.
    found = await past(store, replace(SCOPE, internal=("u0",)), DAU)
    np.testing.assert_array_equal(found.values.values, [5.0, 0.0, 3.0, 0.0, 1.0])


async def test_days_of_which_more_is_still_to_be_told_are_not_history(store: Store) -> None:
    retention = metric("retention_d7")
    await keep_days(store, retention, [0.5] * 20)
    found = await past(store, SCOPE, retention)
    # That of eight days ago is known since midnight, of seven days ago this day is still to end.
    assert found.values.day(len(found.values)) == (TODAY - 7 * DAY).date()


async def test_nothing_is_no_history(store: Store) -> None:
    found = await past(store, SCOPE, DAU)
    assert (len(found.values), found.calculated_at) == (0, None)
    made = make(SCOPE, found, 30, Bounds(0))
    assert (made.points, made.history, made.method, made.lineage) == ((), (), "heuristic", None)
    assert made.reason == "There is no day with a value yet."
    assert await keep_forecast(store, SCOPE, DAU, made) == 0
    assert await newest_forecast(store, SCOPE, DAU) == made


async def test_bounds_are_those_of_what_it_is_made_of() -> None:
    assert bounds_of(DAU) == Bounds(0)
    assert bounds_of(REVENUE) == Bounds()
    assert bounds_of(metric("payment_failure_rate")) == Bounds(0, 1)
    assert bounds_of(metric("mau_growth")) == Bounds(-1)
    assert bounds_of(metric("revenue_growth")) == Bounds()
    assert bounds_of(metric("event_rating")) == Bounds(1, 5)
    assert bounds_of(metric("bounce_rate")) == Bounds(0, 1)
    # Several likes of one view, a refund of last month's payment.
    for name in ("engagement_rate", "refund_rate", "event_cancellation_rate", "recommendation_ctr"):
        assert bounds_of(metric(name)) == Bounds(0)
    points = SumOf(Selection(("points_given",)), "points")
    clicked, either = CountOf(Selection(("clicked",))), CountOf(Selection(("clicked", "shown")))
    shown = CountOf(Selection(("shown",)))
    own = CustomMetric(project="shop", name="own", description="Own.", definition=points)
    assert bounds_of(own.metric()) == Bounds()
    for part, bounds in ((RatioOf(clicked, shown), Bounds(0)), (RatioOf(clicked, either), Bounds(0, 1))):
        ratio = CustomMetric(project="shop", name="own", description="Own.", definition=part, unit="ratio")
        assert bounds_of(ratio.metric()) == bounds


async def test_a_bound_that_a_value_is_beyond_is_none() -> None:
    values = np.array([0.5, np.nan, 1.2])
    assert Bounds(0, 1).kept_by(values) == Bounds(0)
    assert Bounds(0, 1).kept_by(-values) == Bounds(None, 1)
    assert Bounds(0, 1).kept_by(values[:2]) == Bounds(0, 1)
    assert Bounds(0, 1).kept_by(values[:0]) == Bounds(0, 1)


async def made_of(store: Store, of: Metric, scope: Scope = SCOPE, level: float = 100.0) -> Made:
    days = [level + day % 7 + day * 37 % 11 for day in range(120)]
    first = scope.midnight(scope.day_of(scope.now)) - 120 * DAY
    await keep(
        store,
        scope,
        [NewValue(of, "day", first + n * DAY, value, NOW - 9 * DAY) for n, value in enumerate(days)],
    )
    made = make(scope, await past(store, scope, of), 30, bounds_of(of))
    await keep_forecast(store, scope, of, made)
    return made


async def test_a_forecast_reads_back_as_it_was_and_its_days_can_be_asked_for(store: Store) -> None:
    made = await made_of(store, DAU)
    assert (made.method, len(made.points), len(made.history)) == ("model", 30, 90)
    assert made.points[0].at == TODAY.timestamp() * 1000
    assert made.lineage is not None
    assert (made.lineage.points, made.lineage.end) == (120, TODAY.timestamp() * 1000)
    assert await newest_forecast(store, SCOPE, DAU) == made
    rows = await store.query("SELECT * FROM forecasts ORDER BY day")
    assert [row["day"] for row in rows] == [TODAY + n * DAY for n in range(30)]
    assert [(row["value"], row["low_80"], row["high_95"]) for row in rows] == [
        (day.value, day.low_80, day.high_95) for day in made.points
    ]
    assert made.tested is not None
    assert {(row["method"], row["model"], row["model_version"], row["mase"]) for row in rows} == {
        ("model", made.model, "forecasts-1", made.tested.mase)
    }


async def test_a_forecast_is_of_its_project_its_zone_its_money_and_its_time(store: Store) -> None:
    made = await made_of(store, REVENUE)
    for other in (
        replace(SCOPE, project="other"),
        replace(SCOPE, zone=ZoneInfo("Asia/Kolkata")),
        replace(SCOPE, currency="INR"),
        replace(SCOPE, now=NOW - timedelta(hours=1)),
    ):
        assert await newest_forecast(store, other, REVENUE) is None
    assert await newest_forecast(store, SCOPE, DAU) is None
    later = replace(SCOPE, now=NOW + timedelta(hours=1))
    again = await made_of(store, REVENUE, later, level=200.0)
    assert await newest_forecast(store, later, REVENUE) == again
    assert await newest_forecast(store, SCOPE, REVENUE) == made


async def test_days_are_judged_by_the_last_forecast_of_a_week_ago(store: Store) -> None:
    week = timedelta(days=7)
    for age in (20, 9, 8, 3, 1):
        await made_of(store, DAU, replace(SCOPE, now=NOW - age * DAY), level=100.0 + age)
    for age in (20, 3, 1):
        await made_of(store, REVENUE, replace(SCOPE, now=NOW - age * DAY))
    told = await forecasts_before(store, SCOPE, [DAU, REVENUE], NOW - week, week)
    assert {one.made_at for one in told["dau"].values()} == {(NOW - 8 * DAY).timestamp() * 1000}
    # None of it was made in the week before: the first one since tells.
    assert {one.made_at for one in told["revenue"].values()} == {(NOW - 3 * DAY).timestamp() * 1000}
    assert min(told["dau"]) == (TODAY - 8 * DAY).timestamp() * 1000
    assert len(told["dau"]) == 30
