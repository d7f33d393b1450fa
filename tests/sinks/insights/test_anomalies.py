"""Hours far from usual are told: clear ones, and several in a row, but not beside their whole day."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from loopin_schemas.insight import Evidence, Insight
from loopin_schemas.metrics import CATALOGUE
from loopin_sinks.insights.anomalies import metric_anomalies, when
from loopin_sinks.metric_anomalies.found import MetricAnomaly
from loopin_sinks.metric_anomalies.stored import replace
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store
from tests.api.insights_stored import some_insight
from tests.migrated import migrated_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime.now(UTC).replace(hour=20, minute=20, second=0, microsecond=0)
SCOPE = Scope(project="shop", zone=ZONE, now=NOW)
TEN = NOW.astimezone(ZONE).replace(hour=10, minute=0).astimezone(UTC)
"""Ten in the morning, where the project is."""

FORMER = dataclasses.replace(CATALOGUE[0], name="no_metric_any_more")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("anomalies"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    await opened.command("TRUNCATE TABLE metric_anomalies")
    return opened


def anomaly(start: datetime, score: float, metric: str = "page_views", grain: str = "hour") -> MetricAnomaly:
    return MetricAnomaly(
        metric=metric,
        grain="day" if grain == "day" else "hour",
        start=epoch_ms(start),
        value=100 + 10 * score,
        expected=100.0,
        low=60.0,
        high=140.0,
        score=score,
        confidence=0.97,
        compared=900,
        calculated_at=epoch_ms(NOW),
    )


async def told(store: Store, *found: MetricAnomaly, beside: tuple[Insight, ...] = ()) -> list[Insight]:
    await replace(store, SCOPE, [*CATALOGUE, FORMER], found, {}, ())
    return await metric_anomalies(store, SCOPE, CATALOGUE, beside)


async def test_one_clear_hour_or_two_in_a_row(store: Store) -> None:
    found = await told(
        store,
        anomaly(TEN, 5.0),
        anomaly(TEN + HOUR, 4.5),
        anomaly(TEN + 3 * HOUR, 4.9),  # alone, and not clear
        anomaly(TEN, -5.0, "sessions"),
        anomaly(TEN + HOUR, 5.0, "sessions"),  # to the other side
        anomaly(TEN, -7.0, "searches"),
        anomaly(TEN, 8.0, "no_metric_any_more"),
    )
    assert [each.target_id for each in found] == ["page_views", "searches"]
    pages, searches = found
    on = f"{TEN.astimezone(ZONE):%A %-d %B}"
    assert pages.title == f"Page views was unusually high on {on} from 10:00 to 12:00 (+48%)"
    assert pages.description == (
        f"150 on {on} from 10:00 to 11:00, where 100 is usual at that time of the week and up to 140 is "
        "within chance; 2 hours in a row."
    )
    assert (pages.insight_type, pages.priority, pages.is_actionable) == ("anomaly", "low", False)
    assert (pages.evidence.since, pages.evidence.start) == (epoch_ms(TEN), epoch_ms(TEN + HOUR))
    assert (searches.priority, searches.is_actionable, searches.evidence.since) == ("high", True, None)
    assert searches.suggested_actions[0] == "See its hours: /api/analytics/metrics/searches?grain=hour."
    # The same hour on the clocks of the weeks before, as many as were learned from.
    weeks = [(TEN.astimezone(ZONE) - timedelta(weeks=week)).astimezone(UTC) for week in range(5, 0, -1)]
    assert list(searches.evidence.compared) == [epoch_ms(each) for each in weeks]


async def test_hours_of_several_days_name_both(store: Store) -> None:
    """38 hours that begin at a midnight and end on the second day at 14:00; and a day's last two."""
    midnight = SCOPE.midnight(SCOPE.day_of(TEN) - 2)
    long = [anomaly(midnight + hour * HOUR, 7.0) for hour in range(38)]
    last = [anomaly(midnight + hour * HOUR, 7.0, "searches") for hour in (22, 23)]
    pages, searches = await told(store, *long, *last)
    first, second = (f"{(midnight + day * DAY + HOUR).astimezone(ZONE):%A %-d %B}" for day in (0, 1))
    assert f"unusually high from {first} 00:00 to {second} 14:00 (" in pages.title
    assert f"unusually high on {first} from 22:00 to 24:00 (" in searches.title


async def test_what_may_be_negative_is_told_by_its_difference(store: Store) -> None:
    fell = msgspec.structs.replace(
        anomaly(TEN, -7.0, "review_sentiment"), value=-0.43, expected=0.07, low=-0.1, high=0.3
    )
    [found] = await told(store, fell, msgspec.structs.replace(fell, start=epoch_ms(TEN + HOUR)))
    assert found.title.endswith(" (-0.50)")


async def test_hours_of_a_day_that_is_told_as_a_whole_are_left_to_it(store: Store) -> None:
    midnight = epoch_ms(SCOPE.midnight(SCOPE.day_of(TEN)))
    fell, rose = (
        some_insight(
            NOW,
            target_id="page_views",
            evidence=Evidence(
                metric="page_views",
                grain="day",
                start=midnight,
                value=value,
                calculated_at=midnight,
                expected=9.0,
            ),
        )
        for value in (1.0, 20.0)
    )
    low = anomaly(TEN, -7.0)
    assert await told(store, low, beside=(fell,)) == []
    # Not where the day was unusual to the other side, or was another one.
    assert len(await told(store, low, beside=(rose,))) == 1
    yesterday = anomaly(TEN - DAY, -7.0, "searches")
    assert [each.target_id for each in await told(store, low, yesterday, beside=(fell,))] == ["searches"]


async def test_a_day_is_told_by_its_name_and_for_a_week_from_when_it_was_found(store: Store) -> None:
    day = SCOPE.midnight(SCOPE.day_of(NOW) - 20)
    late = anomaly(day, 9.0, "retention_d7", "day")
    long_ago = Scope(project="shop", zone=ZONE, now=NOW - 8 * DAY)
    await replace(store, long_ago, CATALOGUE, [anomaly(day, 9.0, "retention_d1", "day")], {}, ())
    [found] = await told(store, late)
    assert found.target_id == "retention_d7"
    assert f" on {day.astimezone(ZONE):%A %-d %B} (" in found.title
    assert found.expires_at == epoch_ms(NOW + 7 * DAY)


@pytest.mark.parametrize(
    ("zone", "first", "hours", "told"),
    [
        # At 06:00 UTC New York put its clocks back from 02:00 to 01:00.
        ("America/New_York", 5, 1, "from 01:00 (UTC-04:00) to 01:00 (UTC-05:00)"),
        ("America/New_York", 6, 1, "from 01:00 (UTC-05:00) to 02:00"),
        ("America/New_York", 4, 1, "from 00:00 to 01:00 (UTC-04:00)"),
        ("America/New_York", 4, 3, "from 00:00 to 02:00"),
        ("America/New_York", 7, 1, "from 02:00 to 03:00"),
        ("Asia/Kolkata", 5, 1, "from 10:30 to 11:30"),
    ],
)
async def test_an_hour_that_the_clocks_show_twice_says_which(
    zone: str, first: int, hours: int, told: str
) -> None:
    start = datetime(2026, 11, 1, first, tzinfo=UTC)
    scope = Scope(project="shop", zone=ZoneInfo(zone), now=start)
    assert when(scope, "hour", start, start + hours * HOUR) == f"on Sunday 1 November {told}"
