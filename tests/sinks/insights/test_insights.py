"""What is told about kept values, kept itself, and withdrawn once it no longer holds."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
import pytest_asyncio

from loopin_schemas.insight import Insight
from loopin_schemas.metrics import Grain, by_name
from loopin_sinks.forecasts.made import ExpectedDay, Made
from loopin_sinks.forecasts.stored import keep_forecast
from loopin_sinks.insights.marks import keep_mark
from loopin_sinks.insights.stored import open_insights, top_insights
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks.generate_insights import InsightArguments, generate
from loopin_sinks.tasks.task import Context
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.kafka.errors import BrokerUnreachable
from tests.api.insights_stored import some_insight, store_insights
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, put
from tests.streams.projects.own import configured

pytestmark = pytest.mark.asyncio(loop_scope="module")

# A Thursday, soon: what is older than the store keeps it would be gone.
NOW = (datetime.now(UTC) + timedelta(days=7)).replace(hour=6, minute=20, second=0, microsecond=0)
NOW -= timedelta(days=(NOW.weekday() - 3) % 7)
TODAY = NOW.replace(hour=0, minute=0)
DAY = timedelta(days=1)
YESTERDAY = TODAY - DAY
MONDAY = TODAY - 10 * DAY
PROJECT = "shop"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("insights"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    for table in ("events", "metric_values", "insights", "insight_marks", "forecasts", "forecast_runs"):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


class Told:
    """What the live feed is told of; ``away`` while the broker does not answer."""

    def __init__(self) -> None:
        self.away = False
        self.dismissed: set[str] = set()
        self.calls: list[tuple[list[str], list[Insight], datetime]] = []

    async def tell(
        self,
        projects: Collection[str],
        open: Iterable[Insight],
        now: datetime,
        dismissed: Collection[str] = (),
    ) -> int:
        if self.away:
            raise BrokerUnreachable("No broker answers.")
        self.dismissed = set(dismissed)
        self.calls.append((list(projects), list(open), now))
        return 0


async def run(
    store: Store,
    now: datetime = NOW,
    projects: tuple[str, ...] = (),
    zone: str = "UTC",
    teller: Told | None = None,
    configuration: Configuration | None = None,
) -> int:
    def scope(project: str, now: datetime) -> Scope:
        return Scope(project=project, zone=ZoneInfo(zone), now=now, currency="EUR")

    return await generate(
        Context(
            store,
            configuration or Configuration(),
            scope,
            lambda: now,
            InsightArguments(projects=projects),
            teller=teller,
        )
    )


async def kept(
    store: Store,
    metric: str,
    values: Iterable[tuple[datetime, float | None]],
    grain: Grain = "day",
    at: datetime = NOW,
    project: str = PROJECT,
    zone: str = "UTC",
) -> None:
    found = by_name(metric)
    assert found is not None
    scope = Scope(project=project, zone=ZoneInfo(zone), now=NOW, currency="EUR")
    await keep(store, scope, [NewValue(found, grain, start, value, at) for start, value in values])


def usual(number: int = 21, level: float = 200.0) -> list[tuple[datetime, float | None]]:
    """Days before yesterday, alike but for a little."""
    return [(YESTERDAY - (1 + day) * DAY, level + day % 3) for day in range(number)]


def happened(number: int, event: str, day: datetime = YESTERDAY) -> list[Done]:
    """So many events of as many users in the morning of a day."""
    return [Done(f"u{each}", event, day + timedelta(hours=8, seconds=each)) for each in range(number)]


async def test_a_day_that_is_far_from_usual_is_told_with_what_it_rests_on(store: Store) -> None:
    await kept(store, "dau", [*usual(), (YESTERDAY, 100.0)])
    assert await run(store) == 1

    (found,) = await open_insights(store, PROJECT, NOW)
    date = f"{YESTERDAY:%A %-d %B}"
    assert found.title == f"DAU was unusually low on {date} (-50%)"
    # 201 is their median; a count of 201 spreads by its root, 14.2, of which 3.5 are 50.
    assert found.description == f"100 on {date}, where 201 is usual and up to 151 is within chance."
    assert (found.insight_type, found.target_type, found.target_id) == ("metric_change", "metric", "dau")
    assert found.priority == "critical"  # more than seven of these roots
    assert found.is_actionable
    assert found.suggested_actions[0] == "See its days: /api/analytics/metrics/dau?grain=day."
    assert found.evidence.start == YESTERDAY.timestamp() * 1000
    assert found.evidence.value == 100.0
    assert found.evidence.calculated_at == NOW.timestamp() * 1000
    assert sorted(found.evidence.compared) == sorted(round(at.timestamp()) * 1000 for at, _ in usual())
    assert found.expires_at == (TODAY + 7 * DAY).timestamp() * 1000


async def test_what_is_found_again_stays_and_what_no_longer_holds_is_withdrawn(store: Store) -> None:
    await kept(store, "dau", [*usual(), (YESTERDAY, 100.0)])
    assert await run(store) == 1
    (first,) = await open_insights(store, PROJECT, NOW)

    later = NOW + timedelta(hours=6)
    assert await run(store, later) == 0

    # Late events: it was less, then not so little at all.
    await kept(store, "dau", [(YESTERDAY, 110.0)], at=later)
    assert await run(store, later) == 1
    (second,) = await open_insights(store, PROJECT, later)
    assert (second.id, second.created_at) == (first.id, first.created_at)
    assert second.evidence.value == 110.0

    much_later = later + timedelta(hours=6)
    await kept(store, "dau", [(YESTERDAY, 195.0)], at=much_later)
    assert await run(store, much_later) == 1
    assert await open_insights(store, PROJECT, much_later) == []


async def test_the_live_feed_is_told_of_all_that_is_stored(store: Store) -> None:
    for project in (PROJECT, "other"):
        await kept(store, "dau", [*usual(), (YESTERDAY, 100.0)], project=project)
    teller = Told()
    teller.away = True
    with pytest.raises(StoreError, match="No broker answers"):
        await run(store, teller=teller)
    teller.away = False
    later = NOW + timedelta(hours=6)
    assert await run(store, later, teller=teller) == 0
    stored = [*await open_insights(store, "other", later), *await open_insights(store, PROJECT, later)]
    assert len(stored) == 2
    assert teller.calls == [(["other", PROJECT], stored, later)]
    await run(store, later, (PROJECT,), teller=teller)
    assert teller.calls[1] == ([PROJECT], stored[1:], later)


async def test_better_is_told_too_but_urges_nobody(store: Store) -> None:
    await kept(store, "dau", [*usual(), (YESTERDAY, 400.0)])
    await kept(store, "avg_response_time", [*usual(), (YESTERDAY, 400.0)])
    await put(store, happened(20, "api_request"))
    await run(store)
    better, worse = sorted(await open_insights(store, PROJECT, NOW), key=lambda each: each.is_actionable)
    assert (better.target_id, better.priority, better.suggested_actions) == ("dau", "low", ())
    assert (worse.target_id, worse.priority) == ("avg_response_time", "critical")


async def test_a_key_result_below_its_target_in_the_last_week(store: Store) -> None:
    await put(store, happened(1, "event_reviewed", MONDAY))
    # Of a rating of 4.5; the week that is not over says nothing yet.
    await kept(store, "event_rating", [(MONDAY, 4.2), (MONDAY + 7 * DAY, 1.0)], "week")
    await kept(store, "ticket_purchase_success", [(MONDAY, 0.97)], "week")
    await kept(store, "mau_growth", [(MONDAY, -0.2)], "week")
    await kept(store, "dau", [(MONDAY, 0.0)], "week")
    await run(store)
    found = {each.target_id: each for each in await open_insights(store, PROJECT, NOW)}
    assert found.keys() == {"event_rating", "mau_growth"}
    assert found["event_rating"].title == "Event rating is below its target: 4.20 stars of 4.50 stars"
    assert found["event_rating"].priority == "medium"
    assert found["mau_growth"].title == "MAU growth is below its target: -20.0% of 5.0%"
    assert found["mau_growth"].priority == "high"
    assert {each.confidence_score for each in found.values()} == {1.0}


async def test_what_a_project_has_never_sent_misses_no_target(store: Store) -> None:
    # All failed, and nobody ever was verified, as far as the project says.
    await put(store, happened(40, "payment_failed", MONDAY))
    await put(store, happened(40, "user_verified", MONDAY), project="other")
    await put(store, happened(40, "user_verified", MONDAY + 7 * DAY))
    for name in ("user_verification_rate", "ticket_purchase_success"):
        await kept(store, name, [(MONDAY, 0.0)], "week")
    await run(store)
    assert await open_insights(store, PROJECT, NOW) == []
    # One of each, long before.
    await put(store, [*happened(1, "user_verified", MONDAY - 40 * DAY)])
    await put(store, [*happened(1, "payment_succeeded", MONDAY - 40 * DAY)])
    await run(store, NOW + timedelta(hours=6))
    found = await open_insights(store, PROJECT, NOW + timedelta(hours=6))
    assert {(each.insight_type, each.target_id) for each in found} == {
        ("target_missed", "user_verification_rate"),
        ("target_missed", "ticket_purchase_success"),
    }


async def test_a_key_result_below_the_target_that_its_project_has(store: Store) -> None:
    await put(store, happened(1, "event_reviewed", MONDAY))
    await kept(store, "event_rating", [(MONDAY, 4.6)], "week")
    await run(store)
    assert await open_insights(store, PROJECT, NOW) == []
    await run(store, configuration=configured(**{PROJECT: {"targets": {"event_rating": 4.8}}}))
    [found] = await open_insights(store, PROJECT, NOW)
    assert found.title == "Event rating is below its target: 4.60 stars of 4.80 stars"


async def test_a_forecast_that_is_left_is_told_until_values_are_back(store: Store) -> None:
    dau = by_name("dau")
    assert dau is not None
    scope = Scope(project=PROJECT, zone=UTC, now=NOW, currency="EUR")
    made_at = NOW - 8 * DAY
    days = [round((TODAY + day * DAY).timestamp() * 1000) for day in range(-8, 20)]
    points = tuple(ExpectedDay(at, 200.0, 190.0, 210.0, 180.0, 220.0) for at in days)
    made = Made(
        made_at=round(made_at.timestamp() * 1000),
        horizon=len(points),
        points=points,
        history=(),
        method="model",
        model="combination",
        model_version="forecasts-1",
    )
    await keep_forecast(store, scope, dau, made)
    await kept(store, "dau", [*usual(), (YESTERDAY - DAY, 170.0), (YESTERDAY, 165.0)])
    assert await run(store) == 1
    [found] = await open_insights(store, PROJECT, NOW)
    assert (found.insight_type, found.target_id) == ("forecast_off_track", "dau")
    assert found.evidence.forecast_made_at == made_at.timestamp() * 1000
    assert found.evidence.model_version == "forecasts-1"
    # Late events: yesterday was as forecast.
    later = NOW + timedelta(hours=6)
    await kept(store, "dau", [(YESTERDAY, 185.0)], at=later)
    assert await run(store, later) == 1
    assert await open_insights(store, PROJECT, later) == []


async def test_the_top_is_by_priority_and_names_nothing_twice(store: Store) -> None:
    await kept(store, "dau", [*usual(), (YESTERDAY, 100.0), (YESTERDAY - DAY, 100.0)])
    await kept(store, "new_registrations", [*usual(), (YESTERDAY, 400.0)])
    await kept(store, "event_rating", [(MONDAY, 4.2)], "week")
    await put(store, happened(1, "event_reviewed", MONDAY))
    await run(store)
    assert len(await open_insights(store, PROJECT, NOW)) == 4
    top = await top_insights(store, PROJECT, NOW, 5)
    assert [(each.target_id, each.priority) for each in top] == [
        ("dau", "critical"),
        ("event_rating", "medium"),
        ("new_registrations", "low"),
    ]
    assert await top_insights(store, PROJECT, NOW, 2) == top[:2]
    # As of a time: before they were found, and after they have ceased to matter.
    assert await top_insights(store, PROJECT, NOW - DAY, 5) == []
    assert await top_insights(store, PROJECT, NOW + 30 * DAY, 5) == []


async def test_what_somebody_has_dismissed_is_kept_but_neither_told_nor_among_the_top(store: Store) -> None:
    await kept(store, "dau", [*usual(), (YESTERDAY, 100.0)])
    await kept(store, "new_registrations", [*usual(), (YESTERDAY, 100.0)])
    await run(store)
    first, second = await open_insights(store, PROJECT, NOW)
    await keep_mark(store, PROJECT, first.id, "dismissed", by="asha", at=NOW)
    await keep_mark(store, "other", second.id, "dismissed", by="asha", at=NOW)
    await keep_mark(store, PROJECT, second.id, "rated", by="asha", at=NOW, useful=True)
    assert await top_insights(store, PROJECT, NOW, 5) == [second]
    # Found again, and found to be other than before.
    later, teller = NOW + timedelta(hours=6), Told()
    await kept(store, first.target_id, [(YESTERDAY, 90.0)], at=later)
    assert await run(store, later, teller=teller) == 1
    assert teller.dismissed == {first.id}
    assert {each.created_at for each in await open_insights(store, PROJECT, later)} == {first.created_at}
    assert await top_insights(store, PROJECT, later, 5) == [second]


async def test_projects_are_apart_and_days_are_those_of_the_zone(store: Store) -> None:
    offset = timedelta(hours=5, minutes=30)
    shifted = [(at - offset, value) for at, value in [*usual(), (YESTERDAY, 100.0)]]
    for project in ("one", "two"):
        await kept(store, "dau", shifted, project=project, zone="Asia/Kolkata")
    assert await run(store, projects=("two",), zone="Asia/Kolkata") == 1
    assert await open_insights(store, "one", NOW) == []
    (found,) = await open_insights(store, "two", NOW)
    assert f"{YESTERDAY:%A %-d %B}" in found.title
    assert found.evidence.start == (YESTERDAY - offset).timestamp() * 1000


async def test_insights_read_back_as_they_were(store: Store) -> None:
    await kept(store, "dau", [*usual(), (YESTERDAY, 100.0)])
    await run(store)
    (found,) = await open_insights(store, PROJECT, NOW)
    assert msgspec.json.decode(msgspec.json.encode(found), type=Insight) == found


async def test_a_day_is_judged_when_what_comes_later_cannot_change_it_any_more(store: Store) -> None:
    """Of those who joined on a day, some attend within 14 days: until then fewer have than will."""
    days = [TODAY - number * DAY for number in range(1, 80)]
    low = [(day, 0.0 if day > TODAY - 15 * DAY else 0.6 + 0.01 * (day.day % 3)) for day in days]
    await kept(store, "join_to_attend", low)
    assert await run(store) == 0
    # One that nobody came to, and that can be told by now.
    await kept(store, "join_to_attend", [(TODAY - 15 * DAY, 0.0)], at=NOW + timedelta(minutes=1))
    await put(store, happened(30, "event_joined", TODAY - 15 * DAY))
    assert await run(store) == 1
    found = (await open_insights(store, PROJECT, NOW))[0]
    assert (found.insight_type, found.target_id) == ("metric_change", "join_to_attend")
    assert f"{TODAY - 15 * DAY:%A %-d %B}" in found.title


async def test_one_failure_is_nothing_and_many_are(store: Store) -> None:
    """Of 173 requests a day one in 200 fails: two of them are chance, a fifth is not."""
    await put(store, happened(173, "api_request"))
    usually = [(at, (number % 2) / 173) for number, (at, _) in enumerate(usual(40))]
    await kept(store, "error_rate", [*usually, (YESTERDAY, 2 / 173)])
    assert await run(store) == 0
    later = NOW + timedelta(hours=6)
    await kept(store, "error_rate", [(YESTERDAY, 35 / 173)], at=later)
    assert await run(store, later) == 1
    [found] = await open_insights(store, PROJECT, later)
    assert (found.target_id, found.priority, found.evidence.low) == ("error_rate", "critical", 0.0)
    # Of 175 with one failure more, and one success: p = 1/175 at least.
    assert found.evidence.high is not None
    assert 3 / 173 < found.evidence.high < 8 / 173


async def test_those_who_come_back_are_of_the_new_ones(store: Store) -> None:
    """Nobody of few came back, where one in fifty does; nor of many, where half do."""
    day = TODAY - 2 * DAY
    usually = [(day - (1 + back) * DAY, 0.5 + 0.01 * (back % 3)) for back in range(40)]
    for project, new in (("few", 6), ("many", 60)):
        await kept(store, "retention_d1", [*usually, (day, 0.0)], project=project)
        # They are told apart from those who were there before.
        before = happened(100, "$pageview", day - 3 * DAY)
        there = [*before, *(each._replace(at=each.at + 3 * DAY) for each in before)]
        await put(
            store, [*there, *(Done(f"n{each}", "$pageview", day + DAY / 2) for each in range(new))], project
        )
    await run(store)
    assert await open_insights(store, "few", NOW) == []
    [found] = await open_insights(store, "many", NOW)
    assert found.target_id == "retention_d1"


async def test_what_is_made_of_former_days_is_not_judged(store: Store) -> None:
    for name in ("total_users", "wau", "mau"):
        await kept(store, name, [*usual(40), (YESTERDAY, 900.0)])
    assert await run(store) == 0


async def test_what_was_said_stays_while_nothing_is_known_in_the_new_zone(store: Store) -> None:
    """A project moves to Kolkata: until its days are calculated there, nothing says that they were usual."""
    await kept(store, "dau", [*usual(), (YESTERDAY, 100.0)])
    await kept(store, "new_registrations", [*usual(), (YESTERDAY, 400.0)])
    await put(store, happened(1, "event_reviewed", MONDAY))
    await kept(store, "event_rating", [(MONDAY, 4.2)], "week")
    assert await run(store) == 3
    told = await open_insights(store, PROJECT, NOW)

    later, offset = NOW + timedelta(hours=6), timedelta(hours=5, minutes=30)
    assert await run(store, later, zone="Asia/Kolkata") == 0
    assert await open_insights(store, PROJECT, later) == told

    # First the newest days are calculated; of a few nobody knows what is usual.
    there = [(at - offset, value) for at, value in [*usual(), (YESTERDAY, 100.0)]]
    await kept(store, "dau", there[:5] + there[-1:], zone="Asia/Kolkata", at=later)
    assert await run(store, later, zone="Asia/Kolkata") == 0
    # Then all: the one holds there, too, the others do not.
    await kept(store, "dau", there, zone="Asia/Kolkata", at=later)
    await kept(
        store,
        "new_registrations",
        [(at, 200.0 + at.day % 3) for at, _ in there],
        zone="Asia/Kolkata",
        at=later,
    )
    await kept(store, "event_rating", [(MONDAY - offset, 4.9)], "week", zone="Asia/Kolkata", at=later)
    assert await run(store, later, zone="Asia/Kolkata") == 3
    [found] = await open_insights(store, PROJECT, later)
    assert (found.id, found.created_at) == (told[0].id, told[0].created_at)
    assert found.evidence.start == (YESTERDAY - offset).timestamp() * 1000


async def test_a_forecast_that_was_left_stays_told_while_no_forecast_is_known(store: Store) -> None:
    left = some_insight(
        NOW, insight_type="forecast_off_track", id=f"{PROJECT}/forecast_off_track/dau/{YESTERDAY:%Y-%m-%d}"
    )
    # Of a metric that there is no more nothing stays.
    gone = some_insight(NOW, 2, target_id="no_metric_any_more")
    await store_insights(store, left, gone)
    await kept(store, "dau", usual())
    await run(store)
    assert [each.id for each in await open_insights(store, PROJECT, NOW)] == [left.id]
