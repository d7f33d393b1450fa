"""Values of projects with zones and money of their own, and what becomes of them where those change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from loopin_schemas.metrics import by_name
from loopin_sinks.metric_history.coverage import Coverage, coverage
from loopin_sinks.metric_history.late import looked
from loopin_sinks.metric_values.scope import Scope, scope_of
from loopin_sinks.store import Store
from loopin_sinks.tasks import calculate_metrics
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.projects.project import Project, Projects, Retention
from tests.sinks.metric_history.history import NOW as LATELY
from tests.sinks.metric_history.history import event, kept, put, run
from tests.streams.projects.own import configured, own

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)
TODAY = LATELY.replace(hour=0, minute=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
YORK = {
    "timezone": "America/New_York",
    "currency": "USD",
    "rates": {"EUR": {"2026-03-01": 1.1, "2026-03-09": 1.2}},
}
KOLKATA = {"timezone": "Asia/Kolkata", "currency": "INR"}
HOURS = [datetime(2026, 3, 6, tzinfo=UTC) + timedelta(hours=number) for number in range(5 * 24)]
"""Clocks of New York are put forward on 8 March."""


def projects_of(configuration: Configuration) -> Projects:
    retention = Retention(3650, 3650, 3650)
    return Projects(lambda _: Project(retention=retention), lambda: configuration)


async def sell(store: Store, *projects: str) -> None:
    """Each hour a ticket for 10 of no currency, and every third hour one for 5 euros."""
    for project in projects:
        sold = [event(at, "ticket_purchased", "u", {"amount": 10}, project) for at in HOURS]
        euros = [
            event(at, "ticket_purchased", "u", {"amount": 5, "currency": "EUR"}, project) for at in HOURS[::3]
        ]
        await put(store, *sold, *euros)


def plainly(zone: str, rates: list[tuple[date, float]]) -> dict[datetime, float]:
    """Revenue by the days that clocks of the zone show, by when they begin; from the first event to NOW."""
    there = ZoneInfo(zone)
    days: dict[date, float] = {}
    for number, at in enumerate(HOURS):
        day = at.astimezone(there).date()
        worth = max(((since, rate) for since, rate in rates if since <= day), default=(day, 0.0))[1]
        days[day] = days.get(day, 0.0) + 10 + (5 * worth if number % 3 == 0 else 0)
    today, first = NOW.astimezone(there).date(), min(days)
    every = [first + timedelta(days=number) for number in range((today - first).days)]
    return {
        datetime(day.year, day.month, day.day, tzinfo=there).astimezone(UTC): days.get(day, 0.0)
        for day in every
    }


async def revenue(store: Store, projects: Projects, project: str) -> dict[datetime, Any]:
    found = await kept(store, "revenue", project=project, scope=partial(scope_of, projects))
    return {at: pytest.approx(value) for at, value in found.items()}


async def test_two_projects_in_their_own_days_and_money(store: Store) -> None:
    await sell(store, "york", "kolkata")
    configuration = configured(york=YORK, kolkata=KOLKATA)
    projects = projects_of(configuration)
    scope = partial(scope_of, projects)
    await run(store, NOW, scope=scope, names=["revenue"])
    dollars = [(date(2026, 3, 1), 1.1), (date(2026, 3, 9), 1.2)]
    assert plainly("America/New_York", dollars) == await revenue(store, projects, "york")
    assert plainly("Asia/Kolkata", []) == await revenue(store, projects, "kolkata")
    assert await run(store, NOW, scope=scope, names=["revenue"]) == 0

    # Another zone: other days, none of them mixed with those before.
    configuration.apply(own("kolkata", "2", currency="INR", timezone="America/New_York"))
    assert await revenue(store, projects, "kolkata") == {}
    await run(store, NOW, scope=scope, names=["revenue"])
    assert plainly("America/New_York", []) == await revenue(store, projects, "kolkata")
    assert plainly("America/New_York", dollars) == await revenue(store, projects, "york")


async def test_other_rates_change_values_whose_events_are_there_and_leave_the_others(store: Store) -> None:
    # In times to come, so that the engine does not remove events by itself.
    today = TODAY + 36 * DAY
    ticket = {"amount": 5, "currency": "EUR"}
    sold = [event(today - day * DAY + HOUR, "ticket_purchased", "u", ticket) for day in range(1, 41)]
    await put(store, *sold, days=30)
    configuration = configured(shop={"rates": {"EUR": {"2026-01-01": 2.0}}})
    projects = projects_of(configuration)
    scope = partial(scope_of, projects)
    await run(store, today - 9 * DAY + HOUR, scope=scope, names=["revenue", "dau"])
    edge = {"edge": today - 30 * DAY}
    await store.command("DELETE FROM events WHERE timestamp < {edge:DateTime64(3, 'UTC')}", edge)

    configuration.apply(own("shop", "2", rates={"EUR": {"2026-01-01": 3.0}}))
    before = await revenue(store, projects, "shop")
    assert [*before.values()] == [10.0] * 29, "they are as they were until they are calculated"
    await run(store, today + 15 * HOUR, scope=scope, names=["revenue", "dau"])
    after = await revenue(store, projects, "shop")
    worth = {day: 15.0 if day < 30 else 10.0 for day in range(1, 39)}
    assert after == {today - day * DAY: pytest.approx(worth[day]) for day in range(38, 0, -1)}
    assert await run(store, today + 15 * HOUR, scope=scope, names=["revenue", "dau"]) == 0


async def test_other_people_of_its_own_change_all_values(store: Store) -> None:
    await sell(store, "york")
    await put(store, event(HOURS[0], "ticket_purchased", "host", {"amount": 7}, "york"))
    configuration = configured(york=YORK)
    projects = projects_of(configuration)
    scope = partial(scope_of, projects)
    names = ["revenue", "dau"]
    await run(store, NOW, scope=scope, names=names)
    first = min(await kept(store, "dau", project="york", scope=scope))
    assert (await kept(store, "dau", project="york", scope=scope))[first] == 2
    configuration.apply(own("york", "2", **YORK, internal_users=["host"]))
    assert await run(store, NOW, scope=scope, names=names) > 0
    assert (await kept(store, "dau", project="york", scope=scope))[first] == 1
    dollars = [(date(2026, 3, 1), 1.1), (date(2026, 3, 9), 1.2)]
    assert plainly("America/New_York", dollars) == await revenue(store, projects, "york")
    assert await run(store, NOW, scope=scope, names=names) == 0, "also those that are the same are of now"


async def test_what_comes_while_another_zone_is_set_is_late_for_the_former(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each zone's values have looks of their own: those of the other say nothing of them."""
    few = [metric for metric in map(by_name, ("revenue", "page_views")) if metric is not None]
    monkeypatch.setattr(calculate_metrics, "metrics_of", lambda *_: few)
    await sell(store, "york")
    configuration = configured(york=YORK)
    projects = projects_of(configuration)
    scope = partial(scope_of, projects)
    for minutes in (0, 30):
        await run(store, NOW + timedelta(minutes=minutes), scope=scope)
    dollars = [(date(2026, 3, 1), 1.1), (date(2026, 3, 9), 1.2)]
    before = plainly("America/New_York", dollars)
    assert before == await revenue(store, projects, "york")

    configuration.apply(own("york", "2", **{**YORK, "timezone": "Asia/Kolkata"}))
    late = event(HOURS[40], "ticket_purchased", "u", {"amount": 100}, "york")
    await put(store, late, stored=NOW + HOUR)
    await run(store, NOW + 2 * HOUR, scope=scope)
    assert await looked(store, scope("york", NOW)) == NOW + 2 * HOUR
    configuration.apply(own("york", "3", **YORK))
    assert await looked(store, scope("york", NOW)) == NOW + timedelta(minutes=30)
    await run(store, NOW + 3 * HOUR, scope=scope)
    day = max(start for start in before if start <= HOURS[40])
    expected = before | {day: before[day] + 100}
    assert expected == await revenue(store, projects, "york")


async def test_days_of_another_zone_do_not_say_that_there_were_older_events(store: Store) -> None:
    """They begin before those of this one, in which the first event is as new."""
    await sell(store, "york")
    york = partial(scope_of, projects_of(configured(york=YORK)))
    await run(store, NOW, scope=york, names=["revenue"])
    kolkata = Scope("york", ZoneInfo("Asia/Kolkata"), NOW)
    assert await coverage(store, kolkata) == Coverage(
        kolkata.midnight(kolkata.day_of(HOURS[0])), expired=False
    )
    edge = {"edge": HOURS[0] + 2 * DAY}
    await store.command("DELETE FROM events WHERE timestamp < {edge:DateTime64(3, 'UTC')}", edge)
    for scope in (york("york", NOW), kolkata):
        found = await coverage(store, scope)
        assert found is not None
        assert found.expired


async def test_values_in_another_currency_are_not_told_as_if_they_were_in_this_one(store: Store) -> None:
    await sell(store, "york")
    configuration = configured(york=YORK)
    projects = projects_of(configuration)
    scope = partial(scope_of, projects)
    await run(store, NOW, scope=scope, names=["revenue", "dau"])
    dollars, people = (
        await revenue(store, projects, "york"),
        await kept(store, "dau", project="york", scope=scope),
    )
    await store.command("TRUNCATE TABLE events")

    configuration.apply(own("york", "2", timezone="America/New_York", currency="EUR", rates={}))
    assert await revenue(store, projects, "york") == {}
    assert await kept(store, "dau", project="york", scope=scope) == people
    configuration.apply(own("york", "3", **YORK))
    assert await revenue(store, projects, "york") == dollars, "they are there again with their currency"


async def test_values_from_before_they_had_a_zone_are_of_what_is_set_for_all(store: Store) -> None:
    await sell(store, "shop")
    projects = projects_of(Configuration())
    scope = partial(scope_of, projects)
    await run(store, NOW, scope=scope, names=["revenue"])
    values = await revenue(store, projects, "shop")
    await store.command(
        "INSERT INTO metric_values (project, metric, grain, start, value, calculated_at, _retention_days) "
        "SELECT project, metric, grain, start, value, calculated_at, _retention_days FROM metric_values"
    )
    await store.command("ALTER TABLE metric_values DELETE WHERE zone != ''")
    assert len(values) > 3
    assert await revenue(store, projects, "shop") == values
    assert await run(store, NOW, scope=scope, names=["revenue"]) == 0
    for changed in ({"timezone": "Asia/Kolkata"}, {"currency": "EUR"}):
        other = projects_of(configured(shop=changed))
        assert await revenue(store, other, "shop") == {}


async def test_values_are_kept_as_long_as_their_project_has_it(store: Store) -> None:
    await sell(store, "york")
    configuration = configured(york={**YORK, "hourly_retention_days": 3000, "daily_retention_days": 3500})
    await run(store, NOW, scope=partial(scope_of, projects_of(configuration)), names=["revenue"])
    rows = await store.query("SELECT DISTINCT grain, _retention_days AS days FROM metric_values")
    assert {row["grain"]: row["days"] for row in rows} == {"hour": 3000, "day": 3500, "week": 3500}


async def test_only_the_last_days_that_are_kept_are_calculated(store: Store) -> None:
    await sell(store, "york", "other")
    few = {**YORK, "hourly_retention_days": 2}
    scope = partial(scope_of, projects_of(configured(york=few, other=YORK)))
    numbers = [
        await run(store, NOW, scope=scope, names=["revenue"], projects=[each]) for each in ("york", "other")
    ]
    # From 5 March, 05:00, when the first event's day began, to two days before NOW.
    assert numbers[1] - numbers[0] == 5 * 24 + 7


async def test_a_scope_is_what_the_project_says() -> None:
    projects = projects_of(configured(york={**YORK, "internal_users": ["b", "a"]}))
    assert scope_of(projects, "york", NOW) == Scope(
        project="york",
        zone=ZoneInfo("America/New_York"),
        now=NOW,
        currency="USD",
        rates={"EUR": ((date(2026, 3, 1), 1.1), (date(2026, 3, 9), 1.2))},
        internal=["a", "b"],
        retention=Retention(3650, 3650, 3650),
        as_set=False,
    )
    assert scope_of(projects, "other", NOW).as_set
