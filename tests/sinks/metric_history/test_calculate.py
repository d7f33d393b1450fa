"""What is kept of metrics: the numbers of the plain computation, through downtime, late events and expiry."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from loopin_schemas.codec import encode
from loopin_schemas.config import ConfigRecord, config_key
from loopin_schemas.metrics import CATALOGUE, Grain
from loopin_schemas.metrics.custom import CustomMetric
from loopin_sinks.metric_history.changes import changes_of
from loopin_sinks.metric_history.coverage import Coverage, coverage
from loopin_sinks.metric_history.recalculate import whole_periods
from loopin_sinks.metric_history.stored import kept_name, kept_values
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.store import Store, StoreError
from loopin_streams.kafka.config_state import Configuration
from loopin_streams.projects.project import Projects, Retention
from tests.metrics import plain
from tests.metrics.stored import store_persons
from tests.metrics.worlds import NOW as WORLD_NOW
from tests.metrics.worlds import world
from tests.sinks.metric_history.history import NOW, PROJECT, event, kept, only_of_late, put, run, utc_scope
from tests.streams.kafka.configured import Record

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = NOW.replace(hour=0, minute=0)

WORLD = world(3)


def world_scope(project: str, now: datetime) -> Scope:
    of = WORLD
    return Scope(
        project=project,
        zone=of.zone,
        now=now,
        currency=of.currency,
        rates=of.rates,
        internal=sorted(of.internal),
        retention=Retention(3650, 3650, 3650),  # the world's time is long ago
    )


@pytest.mark.scenario
async def test_what_is_kept_is_what_the_plain_computation_says(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_world = world_scope(WORLD.project, WORLD_NOW)
    await put(store, *WORLD.events)
    await store_persons(store, WORLD)
    # Hours and days are many: only the last of them.
    only_of_late(monkeypatch, {"hour": 1, "day": 7, "week": 23, "month": 66})
    written = await run(store, WORLD_NOW, scope=world_scope)
    assert written > 0
    lengths: dict[Grain, timedelta] = {"hour": 12 * HOUR, "day": 6 * DAY, "week": 22 * DAY, "month": 63 * DAY}
    for grain, length in lengths.items():
        within = whole_periods(grain, WORLD_NOW - length, WORLD_NOW - timedelta(minutes=5), WORLD.zone)
        assert within is not None
        told = [metric for metric in CATALOGUE if grain in metric.grains]
        found = await kept_values(store, of_world, told, grain, within.start, within.end)
        for metric in told:
            for start, end in zip(within.edges, within.edges[1:], strict=False):
                expected = plain.calculate(metric.name, WORLD, start, end)
                value = found[metric.name, round(start.timestamp() * 1000)].value
                near = None if expected is None else pytest.approx(expected, rel=1e-9)
                assert value == near, (metric.name, grain, start)
    again = ["dau", "revenue", "retention_d7", "bounce_rate", "slow_response_p95"]
    assert await run(store, WORLD_NOW, scope=world_scope, names=again) == 0, "nothing has changed"


async def test_downtime_leaves_no_gap(store: Store) -> None:
    await put(store, *(event(TODAY - day * DAY + HOUR) for day in range(1, 11) for _ in range(day)))
    await run(store, TODAY - 6 * DAY + HOUR, names=["page_views"])
    assert len(await kept(store, "page_views")) == 4
    await run(store, NOW, names=["page_views"])
    assert await kept(store, "page_views") == {TODAY - day * DAY: day for day in range(1, 11)}
    hours = await kept(store, "page_views", "hour")
    assert list(hours) == [TODAY - 10 * DAY + n * HOUR for n in range(10 * 24 + 15)], (
        "the running hour is not over"
    )
    assert {at for at, value in hours.items() if value} == {TODAY - day * DAY + HOUR for day in range(1, 11)}


async def test_late_events_are_taken_in_and_the_journal_says_so(store: Store) -> None:
    times = [NOW - 2 * HOUR, NOW - 30 * HOUR, NOW - 20 * DAY, NOW - 40 * DAY]
    await put(store, event(NOW - 50 * DAY), *map(event, times))
    await run(store, names=["page_views"])
    await run(store, names=["page_views"])

    async def values() -> list[float | None]:
        hours, days = await kept(store, "page_views", "hour"), await kept(store, "page_views")
        return [
            hours[times[0].replace(minute=0)],
            *(days[at.replace(hour=0, minute=0)] for at in times[1:]),
        ]

    assert await values() == [1, 1, 1, 1]
    later = NOW + timedelta(minutes=20)
    await put(store, *map(event, times), stored=later)
    assert await run(store, NOW + HOUR, names=["page_views"], id="late") > 0
    assert await values() == [2, 2, 2, 1], "what is more than 35 days late is recomputed by request"
    number, changes = await changes_of(store, PROJECT, "late", 100)
    days = [each for each in changes if each.grain == "day"]
    assert [(each.start, each.before, each.after) for each in days] == [
        (at.replace(hour=0, minute=0), 1, 2) for at in reversed(times[1:3])
    ]
    hours = [each for each in changes if each.grain == "hour"]
    assert [(each.start, each.before, each.after) for each in hours] == [
        (at.replace(minute=0), 1, 2) for at in reversed(times[:3])
    ]
    # Weeks and months are others, too, as far as they are over.
    assert number == len(changes)
    for grain in ("week", "month"):
        for start, value in (await kept(store, "page_views", grain)).items():
            end = start + timedelta(days=7) if grain == "week" else (start + 32 * DAY).replace(day=1)
            told = [NOW - 50 * DAY, *times, *times]
            if end > NOW - 34 * DAY:
                assert value == sum(start <= at < end for at in told), (grain, start)
    assert await run(store, NOW + HOUR, nightly=True, names=["page_views"]) == 0


async def test_what_leaves_no_trace_is_seen_by_night(store: Store) -> None:
    await put(store, event(NOW - 30 * HOUR))
    await run(store, names=["page_views"])
    await put(store, event(NOW - 30 * HOUR))  # as if by a clock that is years slow
    assert await run(store, NOW + HOUR, names=["page_views"]) == 1, "a new hour"
    assert await run(store, NOW + HOUR, nightly=True, names=["page_views"]) == 2


async def test_retention_is_kept_once_it_is_known(store: Store) -> None:
    """Also for a project that has lost older events."""
    first = TODAY + 26 * DAY
    people = [event(first + HOUR, user=f"u{n}") for n in range(4)]
    await put(store, event(TODAY - DAY), *people, event(first + 7 * DAY + HOUR, user="u2"), days=30)
    await run(store, first + DAY + HOUR, names=["retention_d7"])
    assert (await kept(store, "retention_d7"))[first] is None
    await run(store, first + 8 * DAY + HOUR, nightly=True, names=["retention_d7"])
    assert (await kept(store, "retention_d7"))[first] == 0.25


async def test_values_outlive_their_events(store: Store) -> None:
    """Once events are gone, neither run takes what is left of them for all there ever was."""
    # In times to come, so that the engine does not remove them by itself.
    today, names = TODAY + 36 * DAY, ["page_views", "mau", "total_users", "stickiness"]
    await put(store, *(event(today - day * DAY + HOUR, user=f"u{day}") for day in range(1, 41)), days=30)
    await run(store, today - 9 * DAY + HOUR, names=names)
    before = {name: await kept(store, name) for name in names}
    assert before["total_users"][today - 10 * DAY] == 31
    assert before["mau"][today - 10 * DAY] == 30
    assert min(before["mau"]) == today - 11 * DAY, "of those before, not all events are there"
    await store.command(
        "DELETE FROM events WHERE timestamp < {edge:DateTime64(3, 'UTC')}", {"edge": today - 30 * DAY}
    )
    for nightly in (False, True):
        await run(store, today + 15 * HOUR, nightly=nightly, names=names)
        for name, values in before.items():
            after = await kept(store, name)
            assert {at: after[at] for at in values} == values, name
        assert len(await kept(store, "page_views")) == len(before["page_views"]) + 9


async def test_gaps_are_filled_from_rollups_where_events_are_gone(store: Store) -> None:
    today, names = TODAY + 36 * DAY, ["mau", "total_users", "stickiness", "wau"]
    people = [event(today - day * DAY + HOUR, user=f"u{day % 33}") for day in range(1, 61)]
    await put(store, *people, days=30)
    for days in (31, 15, 0):  # each while the events are there
        now = today - days * DAY + HOUR
        roller = DayRoller(
            store, Projects(), interval_s=1, leads=lambda: True, clock=partial(lambda at: at, now)
        )
        await roller.roll_once(asyncio.Event())
    await store.command(
        "DELETE FROM events WHERE timestamp < {edge:DateTime64(3, 'UTC')}", {"edge": today - 30 * DAY}
    )
    await run(store, today + HOUR, names=names)
    mau, total = await kept(store, "mau"), await kept(store, "total_users")
    assert mau == {today - day * DAY: 30 for day in range(1, 30)}
    assert total == {today - day * DAY: min(33, 61 - day) for day in range(1, 30)}
    # Some are lost, and come again.
    await store.command(
        "DELETE FROM metric_values WHERE start = {at:DateTime64(3, 'UTC')}", {"at": today - 9 * DAY}
    )
    assert len(await kept(store, "mau")) == 28
    assert await run(store, today + HOUR, names=names) > 4
    assert (await kept(store, "mau"), await kept(store, "total_users")) == (mau, total)


async def test_what_is_covered(store: Store) -> None:
    now, today = NOW + 26 * DAY, TODAY + 26 * DAY  # then, so that the engine does not remove any by itself
    scope = utc_scope("shop", now)
    assert await coverage(store, scope) is None
    await put(store, event(now - 5 * DAY), days=30)
    assert await coverage(store, scope) == Coverage(today - 5 * DAY, expired=False)
    await put(store, event(now - 29 * DAY), days=30)
    whole = Coverage(today - 29 * DAY, expired=True)
    assert await coverage(store, scope) == whole
    await put(store, event(now - 29 * DAY - 16 * HOUR), days=30)
    assert await coverage(store, scope) == whole, "half of that day is gone"
    await put(store, event(now - 90 * DAY, project="other"), days=3650)
    assert await coverage(store, scope) == whole
    kolkata = Scope(project="shop", zone=ZoneInfo("Asia/Kolkata"), now=now)
    found = await coverage(store, kolkata)
    assert found is not None
    assert found.start == today - 29 * DAY - timedelta(hours=5, minutes=30)


async def test_projects_and_metrics_can_be_chosen(store: Store) -> None:
    await put(store, event(NOW - DAY), event(NOW - DAY, project="other"))
    await run(store, projects=["other"], names=["page_views", "dau"])
    assert await kept(store, "page_views") == {}
    assert await kept(store, "page_views", project="other") == {TODAY - DAY: 1}
    assert await kept(store, "dau", project="other") == {TODAY - DAY: 1}
    assert await kept(store, "revenue", project="other") == {}


class _Failing:
    """A store in which one project's computations are too large."""

    def __init__(self, store: Store, project: str) -> None:
        self._store = store
        self._project = project

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def query(self, sql: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        if parameters is not None and parameters.get("project") == self._project and "uniqExact" in sql:
            raise StoreError("query_failed", "The query needs more memory than it may use.")
        return await self._store.query(sql, parameters)


async def test_a_project_that_fails_keeps_no_other_from_its_own(store: Store) -> None:
    await put(store, event(NOW - DAY, project="a"), event(NOW - DAY), event(NOW - DAY, project="z"))
    failing: Any = _Failing(store, "a")
    with pytest.raises(StoreError, match="more memory"):
        await run(failing, names=["dau"])
    for project, expected in (("a", {}), (PROJECT, {TODAY - DAY: 1}), ("z", {TODAY - DAY: 1})):
        assert await kept(store, "dau", project=project) == expected


def _configured(of: dict[str, Any]) -> tuple[Configuration, CustomMetric]:
    metric = msgspec.convert(
        {"project": "shop", "name": "mine", "description": "Mine.", "definition": of}, CustomMetric
    )
    record = ConfigRecord(kind="metric", id=metric.id, version="1", by="me", body=msgspec.Raw(encode(metric)))
    configuration = Configuration()
    configuration.apply(Record(config_key("metric", metric.id), encode(record)))
    return configuration, metric


async def test_a_metric_of_ones_own_is_kept_and_another_one_of_its_name_is_another(store: Store) -> None:
    await put(store, event(NOW - DAY), event(NOW - DAY), event(NOW - DAY, "click"))
    for name, expected in (("$pageview", 2.0), ("click", 1.0)):
        configuration, metric = _configured({"type": "count", "of": {"events": [name]}})
        await run(store, configuration=configuration, names=["mine"])
        found = await kept_values(store, utc_scope("shop", NOW), [metric.metric()], "day", NOW - 9 * DAY, NOW)
        assert [value.value for value in found.values()] == [expected]
    names = await store.query(
        "SELECT DISTINCT toString(metric) AS name FROM metric_values WHERE metric LIKE 'mine%'"
    )
    assert len(names) == 2
    assert kept_name(metric.metric()) in {row["name"] for row in names}


async def test_a_value_that_becomes_null_is_null(store: Store) -> None:
    await put(store, event(NOW - DAY, "payment_failed"))
    names = ["payment_failure_rate", "revenue"]
    await run(store, names=names)
    assert (await kept(store, "payment_failure_rate"))[TODAY - DAY] == 1
    await store.command("TRUNCATE TABLE events")
    await put(store, event(NOW - DAY, "click"))
    await run(store, nightly=True, names=names)
    assert (await kept(store, "payment_failure_rate"))[TODAY - DAY] is None
    assert (await kept(store, "revenue"))[TODAY - DAY] == 0


async def test_days_are_those_of_the_projects_zone(store: Store) -> None:
    kolkata = ZoneInfo("Asia/Kolkata")
    await put(store, event(TODAY - DAY + 20 * HOUR), event(TODAY - DAY + 10 * HOUR))

    def scope(project: str, now: datetime) -> Scope:
        return Scope(project=project, zone=kolkata, now=now)

    await run(store, TODAY + DAY, scope=scope, names=["page_views"])
    offset = timedelta(hours=5, minutes=30)
    assert await kept(store, "page_views", scope=scope) == {TODAY - DAY - offset: 1, TODAY - offset: 1}
