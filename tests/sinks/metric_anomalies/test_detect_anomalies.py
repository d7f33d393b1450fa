"""The task judges all metrics of all projects, keeps what it finds, and withdraws what holds no longer."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from loopin_schemas.insight import Insight
from loopin_schemas.metrics import CATALOGUE, Grain, by_name
from loopin_schemas.metrics.custom import CountOf, CustomMetric, Selection
from loopin_sinks.insights.anomalies import is_of_metric
from loopin_sinks.insights.stored import open_insights, replace
from loopin_sinks.metric_anomalies.found import MetricAnomaly
from loopin_sinks.metric_anomalies.stored import kept_anomalies
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store
from loopin_sinks.tasks.detect_anomalies import AnomalyArguments, detect
from loopin_sinks.tasks.task import Context
from loopin_sinks.tasks.telling import tell
from loopin_streams.kafka.config_state import Configuration
from tests.api.insights_stored import some_insight, store_insights
from tests.migrated import migrated_store
from tests.sinks.metric_anomalies.seasons import HOUR, hours
from tests.sinks.personas.stored_events import Done, put
from tests.streams.alerts.world import configure

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY = timedelta(days=1)
# The hour that was over last begins at 11; soon, so that the engine keeps what is stored.
NOW = datetime.now(UTC).replace(hour=12, minute=10, second=0, microsecond=0)
LAST = NOW.replace(minute=0) - HOUR


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("anomalies"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("metric_values", "metric_anomalies", "events", "insights"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


def scope(project: str, now: datetime, zone: str = "UTC") -> Scope:
    return Scope(project=project, zone=ZoneInfo(zone), now=now, currency="EUR")


async def run(
    store: Store, now: datetime = NOW, projects: tuple[str, ...] = (), teller: Told | None = None
) -> int:
    arguments = AnomalyArguments(projects=projects)
    return await detect(Context(store, Configuration(), scope, lambda: now, arguments, teller=teller))


class Told:
    """What the live feed is told of."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[str], list[str]]] = []

    async def tell(
        self,
        projects: Collection[str],
        open: Iterable[Insight],
        now: datetime,
        dismissed: Collection[str] = (),
    ) -> int:
        self.calls.append((list(projects), [each.id for each in open]))
        return 0


async def kept(
    store: Store,
    metric: str,
    values: Mapping[datetime, float | None],
    grain: Grain = "hour",
    *,
    project: str = "shop",
    at: datetime = NOW,
) -> None:
    found = by_name(metric)
    assert found is not None
    await keep(
        store,
        scope(project, NOW),
        [NewValue(found, grain, start, value, at) for start, value in values.items()],
    )


async def found_in(store: Store, project: str = "shop", now: datetime = NOW) -> list[MetricAnomaly]:
    return await kept_anomalies(store, project, CATALOGUE, now - 30 * DAY, now)


def usual(level: float = 200.0, seed: int = 3, weeks: int = 6) -> dict[datetime, float | None]:
    return dict(hours(LAST + HOUR, weeks * 168, level, random.Random(seed)))


async def test_what_is_found_is_kept_once_and_withdrawn_after_late_events(store: Store) -> None:
    values = usual()
    values[LAST] = 2_000.0
    await kept(store, "page_views", values)
    # The hour, and the insight of it.
    assert await run(store) == 2
    [first] = await found_in(store)
    assert (first.metric, first.grain, first.start, first.value) == (
        "page_views",
        "hour",
        epoch_ms(LAST),
        2e3,
    )
    assert first.score > 6
    assert (first.found_at, first.calculated_at) == (epoch_ms(NOW), epoch_ms(NOW))

    later = NOW + timedelta(minutes=30)
    assert await run(store, later) == 0
    assert await found_in(store, now=later) == [first]

    # It was less, but still odd: the same one, found when it was found. Then it was nothing at all.
    await kept(store, "page_views", {LAST: 1_500.0}, at=later)
    assert await run(store, later) == 2
    [second] = await found_in(store, now=later)
    assert (second.value, second.found_at, second.calculated_at) == (1.5e3, epoch_ms(NOW), epoch_ms(later))
    much_later = later + HOUR
    await kept(store, "page_views", {LAST: usual()[LAST]}, at=much_later)
    assert await run(store, much_later) == 2
    assert await found_in(store, now=much_later) == []
    # The table has them for good.
    [rows] = await store.query("SELECT count() AS found FROM metric_anomalies FINAL WHERE withdrawn")
    assert rows["found"] == 1


async def test_of_each_project_its_own_and_of_a_new_one_nothing(store: Store) -> None:
    odd = {**usual(), LAST: 2_000.0}
    await kept(store, "page_views", odd)
    await kept(store, "page_views", usual(seed=5), project="calm")
    young = {at: value for at, value in odd.items() if at > LAST - 2 * DAY}
    await kept(store, "page_views", young, project="new")
    assert await run(store, projects=("calm", "new")) == 0
    assert await run(store) == 2
    assert [len(await found_in(store, project)) for project in ("shop", "calm", "new")] == [1, 0, 0]


async def test_values_that_are_null_or_not_there_are_passed_over(store: Store) -> None:
    values = {**usual(), LAST: 2_000.0}
    for back in (1, 2, 100):
        values[LAST - back * HOUR] = None
    for back in range(30, 60):
        del values[LAST - back * HOUR]
    await kept(store, "page_views", values)
    await kept(store, "searches", dict.fromkeys(values))
    await run(store)
    assert [each.start for each in await found_in(store)] == [epoch_ms(LAST)]


async def test_few_things_are_no_anomaly_however_rare(store: Store) -> None:
    # An hour with eleven searches, where there never were any.
    await kept(store, "searches", {**dict.fromkeys(usual(), 0.0), LAST: 11.0})
    assert await run(store) == 0
    await kept(store, "searches", {LAST: 60.0}, at=NOW + HOUR)
    assert await run(store, NOW + HOUR) == 2


async def test_a_share_has_to_be_of_enough(store: Store) -> None:
    """What a ratio is made of is asked for of the events, of which there are few in the one project."""
    ratio = {**dict.fromkeys(usual(), 0.05), LAST: 0.5}
    for project, payments in (("few", 4), ("many", 200)):
        await kept(store, "payment_failure_rate", ratio, project=project)
        done = [
            Done("a", "payment_failed" if number % 2 else "payment_succeeded", LAST + timedelta(minutes=5))
            for number in range(payments)
        ]
        await put(store, done, project)
    assert await run(store) == 2
    assert await found_in(store, "few") == []
    [found] = await found_in(store, "many")
    assert found.metric == "payment_failure_rate"
    # 0.45 more than 0.05, where 200 have a standard deviation of sqrt(0.05 * 0.95 / 200) = 0.0154, about.
    assert found.score == pytest.approx(0.45 / 0.0154, rel=0.1)


async def test_a_total_that_grows_is_no_anomaly(store: Store) -> None:
    """Nor one that jumps: what it jumped by are the new ones of that hour."""
    total, values = 10_000.0, {}
    for at in sorted(usual()):
        total += 60 if at.weekday() == 6 else 5
        values[at] = total
    values[LAST] += 20_000
    await kept(store, "total_users", {**values})
    assert await run(store) == 0


async def test_what_was_found_stays_while_nothing_is_known_in_the_new_zone(store: Store) -> None:
    await kept(store, "page_views", {**usual(), LAST: 2_000.0})
    assert await run(store) == 2
    found = await found_in(store)

    later = NOW + timedelta(minutes=30)
    arguments = AnomalyArguments(projects=("shop",))

    async def there() -> int:
        return await detect(
            Context(
                store,
                Configuration(),
                lambda project, now: scope(project, now, "Asia/Tokyo"),
                lambda: later,
                arguments,
            )
        )

    # The insight tells it by the new clocks.
    assert await there() == 1
    assert await found_in(store, now=later) == found
    assert len(await open_insights(store, "shop", later)) == 1
    # Calculated there, it was nothing.
    views = by_name("page_views")
    assert views is not None
    values = [NewValue(views, "hour", start, value, later) for start, value in usual().items()]
    await keep(store, scope("shop", NOW, "Asia/Tokyo"), values)
    assert await there() == 2
    assert await found_in(store, now=later) == []


@pytest.mark.parametrize("after", [timedelta(minutes=30), timedelta(days=3)])
async def test_nothing_is_left_under_the_name_of_another_metric(store: Store, after: timedelta) -> None:
    """One of a project's own is deleted, and its name given to another one, of which nothing is known yet."""

    def own(event: str) -> CustomMetric:
        definition = CountOf(Selection((event,)))
        return CustomMetric(project="shop", name="mine", description="Mine.", definition=definition)

    async def look(metric: CustomMetric, now: datetime) -> int:
        configuration = Configuration()
        configure(configuration, metric.id, metric)
        return await detect(Context(store, configuration, scope, lambda: now, AnomalyArguments(("shop",))))

    first, values = own("event_joined"), {**usual(), LAST: 2_000.0}
    await keep(
        store,
        scope("shop", NOW),
        [NewValue(first.metric(), "hour", start, value, NOW) for start, value in values.items()],
    )
    assert await look(first, NOW) == 2
    since, later = NOW - 7 * DAY, NOW + after
    [found] = await kept_anomalies(store, "shop", [first.metric()], since, later)
    assert found.metric == "mine"

    # The first look withdraws the insight; also once values of the other one are known, nothing comes again.
    other = own("payment_failed")
    assert await look(other, later) == 1
    hour = later.replace(minute=0) - HOUR
    await keep(store, scope("shop", later), [NewValue(other.metric(), "hour", hour, 5.0, later)])
    assert await look(other, later) == 0
    assert await kept_anomalies(store, "shop", [other.metric()], since, later) == []
    assert await open_insights(store, "shop", later) == []


async def test_days_are_judged_for_a_week_and_then_stay_as_they_are(store: Store) -> None:
    today = NOW.replace(hour=0, minute=0)
    dice = random.Random(2)
    days: dict[datetime, float | None] = {
        today - back * DAY: 1_000.0 + dice.gauss(0, 30) for back in range(1, 70)
    }
    days[today - DAY] = 400.0
    await kept(store, "dau", days, "day")
    assert await run(store) == 2
    # Ten days on it is judged no more.
    later = NOW + 10 * DAY
    await kept(store, "dau", {today - DAY: 1_000.0}, "day", at=later)
    await run(store, later, ("shop",))
    assert epoch_ms(today - DAY) in {each.start for each in await found_in(store, now=later)}


async def test_the_live_feed_is_told_at_once_beside_what_it_knows(store: Store) -> None:
    await kept(store, "page_views", {**usual(), LAST: 2_000.0})
    await kept(store, "page_views", usual(seed=5), project="calm")
    other = some_insight(NOW - DAY)
    await store_insights(store, other)
    teller = Told()
    await run(store, teller=teller)
    found = [each.id for each in await open_insights(store, "shop", NOW)]
    assert len(found) == 2
    assert other.id in found, "what this task does not look for stays as it is"
    assert teller.calls == [(["shop"], found)]
    # What has been told is not told again.
    await run(store, NOW + timedelta(minutes=30), teller=teller)
    assert len(teller.calls) == 1


async def test_what_another_task_finds_meanwhile_is_not_withdrawn(store: Store) -> None:
    before = await open_insights(store, "shop", NOW)
    live = some_insight(NOW, insight_type="anomaly", id="shop/anomaly/page_views/live/now")
    await store_insights(store, live)
    assert await replace(store, "shop", [], NOW, is_of_metric, before) == 0
    assert await open_insights(store, "shop", NOW) == [live]
    # Whoever has seen it, and finds it no longer, withdraws it.
    assert await replace(store, "shop", [], NOW, is_of_metric) == 1


async def test_two_tasks_tell_one_after_the_other_what_is_stored_then(store: Store) -> None:
    first, second = some_insight(NOW, 1), some_insight(NOW, 2)
    await store_insights(store, first)

    class Slow(Told):
        under_way = False

        async def tell(
            self,
            projects: Collection[str],
            open: Iterable[Insight],
            now: datetime,
            dismissed: Collection[str] = (),
        ) -> int:
            assert not self.under_way
            self.under_way = True
            if not self.calls:
                await store_insights(store, second)
            await super().tell(projects, open, now, dismissed)
            self.under_way = False
            return 0

    teller = Slow()
    context = Context(store, Configuration(), scope, lambda: NOW, AnomalyArguments(), teller=teller)
    await asyncio.gather(tell(context, ["shop"]), tell(context, ["shop"]))
    assert teller.calls == [(["shop"], [first.id]), (["shop"], [first.id, second.id])]
