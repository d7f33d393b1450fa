"""Attendance and sold-out platform events are shares of those that start, however early these were joined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.insight import Insight
from loopin_schemas.metrics import Metric, by_name
from loopin_sinks.insights.changes import changes
from loopin_sinks.metric_anomalies.found import MetricAnomaly
from loopin_sinks.metric_anomalies.sure import sure
from loopin_sinks.metric_history.stored import Kept
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
NOW = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
TODAY = NOW.replace(hour=0)
# Of the day before yesterday all is known.
JUDGED = TODAY - 2 * DAY
NOON = JUDGED + 12 * HOUR


def held(name: str, start: datetime, joined: int, attended: int, sold_out: bool = False) -> Iterator[Done]:
    """A platform event that was created and joined, and maybe sold out, a week before it began."""
    of, before = {"event_id": name}, start - 7 * DAY
    yield Done("host", "event_created", before - HOUR, {**of, "starts_at": start.isoformat()})
    for each in range(joined):
        yield Done(f"u{each}", "event_joined", before, of)
        if each < attended:
            yield Done(f"u{each}", "event_attended", start + HOUR, of)
    if sold_out:
        yield Done("host", "event_sold_out", before + HOUR, of)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("platform_events"), migrated) as opened:
        # 400 pairs, of which 40 were there; 40 platform events, of which none was sold out.
        await put(opened, [each for n in range(40) for each in held(f"e{n}", NOON, 10, 1)], "many")
        # Five pairs, of which one was there, and five platform events; where usually there are many.
        usually = [each for n in range(700) for each in held(f"e{n}", NOON - 18 * HOUR, 1, n % 2, n % 2 == 0)]
        few = [each for n in range(5) for each in held(f"f{n}", NOON, 1, n == 0, n == 0)]
        await put(opened, [*usually, *few], "few")
        yield opened


def metric(name: str) -> Metric:
    found = by_name(name)
    assert found is not None
    return found


def calculator(store: Store, project: str) -> Calculator:
    return Calculator(store, Scope(project=project, zone=UTC, now=NOW, currency="EUR"))


async def value(calculator: Calculator, name: str, edges: Periods) -> float:
    return (await calculator.values(metric(name).definition, edges))[0, ""]


CASES = [
    # What the hour and the day come to, and what is usual.
    ("many", "attendance_rate", 0.1, 0.7),
    ("few", "attendance_rate", 0.2, 0.7),
    ("many", "event_success_rate", 0.0, 0.7),
    ("few", "event_success_rate", 0.2, 0.7),
]


@pytest.mark.parametrize(("project", "name", "came_to", "usual"), CASES)
async def test_a_day_on_which_it_collapses_is_told_and_chance_of_few_is_not(
    store: Store, project: str, name: str, came_to: float, usual: float
) -> None:
    of = calculator(store, project)
    assert await value(of, name, Periods((JUDGED, JUDGED + DAY))) == pytest.approx(came_to)
    day = of.scope.day_of(JUDGED)
    kept = {at: Kept(usual + 0.02 * (at % 3 - 1), NOW) for at in range(day - 56, day)}
    kept[day] = Kept(came_to, NOW)
    found: list[Insight] = await changes(of, metric(name), kept, [day])
    assert [each.target_id for each in found] == [name] * (project == "many")


@pytest.mark.parametrize(("project", "name", "came_to", "usual"), CASES)
async def test_an_hour_in_which_it_collapses_is_found_and_chance_of_few_is_not(
    store: Store, project: str, name: str, came_to: float, usual: float
) -> None:
    of = calculator(store, project)
    assert await value(of, name, Periods((NOON, NOON + HOUR))) == pytest.approx(came_to)
    far = MetricAnomaly(
        metric=name,
        grain="hour",
        start=epoch_ms(NOON),
        value=came_to,
        expected=usual,
        low=0.6,
        high=0.8,
        score=-12.0,
        confidence=0.99,
        compared=6,
        calculated_at=epoch_ms(NOW),
        found_at=epoch_ms(NOW),
    )
    found = await sure(of, metric(name), [far])
    assert [each.start for each in found] == [far.start] * (project == "many")
