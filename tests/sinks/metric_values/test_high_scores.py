"""The share of users at high risk is what the newest profiles say, kept at each day's end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.metrics import by_name
from loopin_sinks.alerts.denominators import numbers_of
from loopin_sinks.metric_history.recalculate import Wanted, recalculate
from loopin_sinks.metric_history.stored import kept_values
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import link
from tests.sinks.scored_profiles import Scored, put_scored

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
NOW = TODAY + 2 * HOUR
DAYS = Periods((TODAY - 2 * DAY, TODAY - DAY, TODAY, TODAY + DAY))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("high"), migrated) as store:
        chances = [0.1, 0.4, 0.7, 0.71, 0.9, 1.0, 0.2, 0.3]
        users = [Scored(f"u{number}", {"churn": chance}) for number, chance in enumerate(chances)]
        await put_scored(store, [*users, Scored("buyer", {"conversion": 0.9})], NOW - HOUR)
        # One person, who came back on the phone.
        await put_scored(store, [Scored("web", {"churn": 0.99})], NOW - 5 * DAY)
        await put_scored(store, [Scored("phone", {"churn": 0.05})], NOW)
        await link(store, [("phone", "web")])
        yield store


async def test_of_the_day_that_is_over_and_of_today(store: Store) -> None:
    metric = by_name("high_churn_share")
    assert metric is not None
    calculator = Calculator(store, Scope(project="shop", zone=UTC, now=NOW))
    # Of nine persons three are above 0.7; of the day before yesterday nobody can tell.
    assert await calculator.values(metric.definition, DAYS) == {(1, ""): 3 / 9, (2, ""): 3 / 9}
    assert set((await numbers_of(calculator, metric.definition, DAYS)).values()) == {9.0}
    nobody = Calculator(store, Scope(project="new", zone=UTC, now=NOW))
    assert await nobody.values(metric.definition, DAYS) == {}
    of_some = Calculator(store, Scope(project="shop", zone=UTC, now=NOW, users=("u1",)))
    assert await of_some.values(metric.definition, DAYS) == {}


async def test_what_was_kept_stays_when_it_is_calculated_again(store: Store) -> None:
    metric = by_name("high_churn_share")
    assert metric is not None
    yesterday = Periods((TODAY - DAY, TODAY))
    for now in (NOW, NOW + 3 * DAY):
        scope = Scope(project="shop", zone=UTC, now=now)
        wanted = [Wanted(metric, yesterday, {0: True})]
        await recalculate(store, Calculator(store, scope), "day", wanted, "run", all_told=False)
        kept = await kept_values(store, scope, [metric], "day", yesterday.start, yesterday.end)
        assert kept["high_churn_share", epoch_ms(yesterday.start)].value == pytest.approx(3 / 9)
