"""The overview's numbers against the same definitions in plain Python over the same events."""

from __future__ import annotations

import asyncio
import string
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from loopin_api.queries.overview import MAX_CURRENCIES, OverviewNumbers, overview
from loopin_api.timespan import Timespan, last_days, timezone
from loopin_sinks.metric_values.calculate import with_rollups
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.store import Store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.metrics import plain, worlds
from tests.metrics.stored import store_persons

if TYPE_CHECKING:
    from tests.api.conftest import Enrich, Put

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


def scope(span: Timespan, project: str = "shop") -> Scope:
    return Scope(project, span.zone, NOW, "INR")


async def asked(store: Store, project: str = "shop") -> OverviewNumbers:
    span = last_days(7, NOW, UTC)
    return await overview(store, scope(span, project), span)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kolkata", "America/Los_Angeles"])
async def test_it_equals_a_plain_computation(store: Store, put: Put, zone: str) -> None:
    world = worlds.world(3, timezone(zone))
    await put(world.events)
    await store_persons(store, world)
    for days in (1, 7, 3650):
        span = last_days(days, world.now, world.zone)
        of = Scope("shop", world.zone, world.now, world.currency, world.rates, internal=tuple(world.internal))
        found = await overview(store, of, span)
        values = {
            "platform_events_created": found.total_events,
            "total_users": found.total_users,
            "dau": found.active_users_today,
            "ticket_conversion": found.ticket_conversion,
            "avg_session_length": found.avg_session_length,
            "revenue": found.revenue,
        }
        for name, value in values.items():
            assert value == pytest.approx(plain.calculate(name, world, span.start, span.end)), (name, days)
        assert found.other_revenue == pytest.approx(without_a_rate(world, span))
        mine = [event for event in world.events if event.project == "shop" and moment(event) < span.end]
        assert found.tracked_events == sum(moment(event) >= span.start for event in mine)
        assert found.newest_received == max(map(moment, mine))


async def test_rolled_up_days_tell_the_same(store: Store, put: Put) -> None:
    world = worlds.world(4)
    await put(world.events[::2])
    projects = Projects(lambda _: Project(world.zone, retention=Retention(3650)))
    roller = DayRoller(store, projects, interval_s=1, leads=lambda: True, clock=lambda: world.now)
    assert await roller.roll_once(asyncio.Event()) > 100
    await store_persons(store, world)
    of = Scope("shop", world.zone, world.now, world.currency, world.rates, internal=tuple(world.internal))
    usable = (await with_rollups(store, of)).rolled
    assert min(len(usable.days), len(usable.sessions)) > 100
    for days in (1, 30, 3650):
        span = last_days(days, world.now, world.zone)
        found = await overview(store, of, span)
        known = replace(world, events=world.events[::2])
        for name, value in (
            ("total_users", found.total_users),
            ("dau", found.active_users_today),
            ("ticket_conversion", found.ticket_conversion),
            ("avg_session_length", found.avg_session_length),
        ):
            assert value == pytest.approx(plain.calculate(name, known, span.start, span.end)), (name, days)
        mine = [moment(event) for event in known.events if event.project == "shop"]
        before = [at for at in mine if at < span.end]
        assert found.tracked_events == sum(at >= span.start for at in before)
        assert found.newest_received == max(before)


def moment(event: Any) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event.timestamp)


def without_a_rate(world: plain.World, span: Timespan) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for act in plain.between(world.acts, span.start, span.end, "ticket_purchased", "payment_refunded"):
        amount = act.properties.get("amount")
        if isinstance(amount, (int, float)) and abs(amount) < 1e12 and plain.rate_of(world, act) is None:
            code = str(act.properties["currency"]).strip().upper()
            sign = 1 if act.name == "ticket_purchased" else -1
            totals[code if len(code) == 3 else "other"] += sign * amount
    return dict(totals)


async def test_without_events_ratios_are_null(store: Store) -> None:
    assert await asked(store) == OverviewNumbers(0, 0, 0, 0, None, None, 0.0, {}, None)


async def test_system_events_make_nobody_active(store: Store, put: Put, enrich: Enrich) -> None:
    at = NOW - timedelta(hours=1)
    await put([enrich("api_request", "user-1", at), enrich("system_metric", "user-2", at)])
    numbers = await asked(store)
    assert (numbers.tracked_events, numbers.total_users, numbers.active_users_today) == (2, 0, 0)
    assert numbers.ticket_conversion is None
    assert numbers.avg_session_length is None


@pytest.mark.parametrize("amount", ["12", None, True, {"a": 1}, [1], -5, 1e308])
async def test_odd_amounts_do_no_harm(store: Store, put: Put, enrich: Enrich, amount: Any) -> None:
    at = NOW - timedelta(hours=1)
    purchase = {"amount": 10, "currency": "EUR"}
    odd = {"amount": amount, "currency": "USD"}
    await put(
        [enrich("ticket_purchased", "user-1", at, purchase), enrich("ticket_purchased", "user-1", at, odd)]
    )
    numbers = await asked(store)
    assert numbers.other_revenue["EUR"] == 10


async def test_many_currencies_are_cut_to_the_largest(store: Store, put: Put, enrich: Enrich) -> None:
    at = NOW - timedelta(hours=1)
    letters = string.ascii_uppercase
    codes = [f"A{second}{third}" for second in letters for third in letters]
    sold = [{"amount": 1000 + rank, "currency": code} for rank, code in enumerate(codes)]
    sold += [{"amount": 1}, {"amount": 1, "currency": "INR"}]
    sold += [{"amount": 1, "currency": f"made up {number}"} for number in range(2000)]
    await put([enrich("ticket_purchased", "user-1", at, properties) for properties in sold])
    numbers = await asked(store)
    largest = {code: 1000.0 + rank for rank, code in enumerate(codes)}
    kept = dict(sorted(largest.items(), key=lambda one: -one[1])[: MAX_CURRENCIES - 1])
    assert numbers.revenue == 2.0
    assert numbers.other_revenue == {"other": 2000.0, **kept}


@pytest.mark.parametrize(
    "name", ["'", "' OR 1 = 1 --", "\\", "{x:String}", "%s", "\n\t\r", "\x00", "Größe", "💘"]
)
async def test_names_are_bound_never_pasted(store: Store, put: Put, enrich: Enrich, name: str) -> None:
    await put([enrich("click", "user-1", NOW - timedelta(hours=1), project=name), enrich("click", "u", NOW)])
    numbers = await asked(store, name)
    assert numbers.tracked_events == 1
