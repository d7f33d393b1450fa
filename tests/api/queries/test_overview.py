"""The overview's SQL against the same definitions written out in plain Python over the same events."""

from __future__ import annotations

import json
import random
import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pytest
from msgspec.structs import replace

from loopin_api.queries.overview import MAX_CURRENCIES, OverviewNumbers, overview
from loopin_api.timespan import Timespan, last_days, timezone
from loopin_schemas import EnrichedEvent
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Enrich, Put

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
NAMES = [
    "click",
    "$pageview",
    "event_created",
    "ticket_purchased",
    "payment_refunded",
    "api_request",
    "error_logged",
]
SYSTEM = {"api_request", "error_logged", "system_metric"}
HALF_HOUR = timedelta(minutes=30)


def generated(enrich: Enrich, seed: int, count: int = 3000) -> list[EnrichedEvent]:
    """Users who come in bursts, around the edges of the interval, with and without session ids."""
    dice = random.Random(seed)
    events: list[EnrichedEvent] = []
    while len(events) < count:
        user = f"user-{dice.randrange(60)}"
        at = NOW - timedelta(milliseconds=dice.randrange(-86_400_000, 12 * 86_400_000))
        session = dice.choice([None, None, f"s{dice.randrange(40)}"])
        for _ in range(dice.randrange(1, 6)):
            name = dice.choice(NAMES)
            properties: dict[str, Any] = {}
            if name in ("ticket_purchased", "payment_refunded"):
                properties = dice.choice(
                    [
                        {
                            "amount": dice.randrange(1, 100_000) / 100,
                            "currency": dice.choice(["INR", "EUR", "inr"]),
                        },
                        {"amount": dice.randrange(1, 1000)},
                        {"currency": "INR"},
                        {},
                    ]
                )
            project = "other" if dice.random() < 0.1 else "shop"
            events.append(enrich(name, user, at, properties, session_id=session, project=project))
            # Pauses of exactly half an hour belong to the session; a millisecond more ends it.
            at += dice.choice([timedelta(minutes=3), HALF_HOUR, HALF_HOUR + timedelta(milliseconds=1)])
    return events


def moment(event: EnrichedEvent) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=event.timestamp)


async def store_persons(store: Store, person_of: Mapping[str, str]) -> None:
    """Who is whose person from now on, in the project shop; among others who have been so before."""
    ids = [*person_of]
    former = [{"distinct_id": each, "person": f"{each} before", "revision": 1} for each in ids]
    latter = [{"distinct_id": each, "person": person_of[each], "revision": 2} for each in ids]
    others = [{"distinct_id": each, "person": ids[0], "revision": 3, "project": "other"} for each in ids]
    blank = {"project": "shop", "_stored_at": NOW}
    rows = [blank | row for row in (*latter, *former, *others)]
    await store.insert(PERSON_IDS, pa.Table.from_pylist(rows, schema=IDS_SCHEMA), token=str(uuid4()))


def of_persons(events: Sequence[EnrichedEvent], person_of: Mapping[str, str]) -> list[EnrichedEvent]:
    """The events as if each person had had one id all along."""
    return [
        replace(event, distinct_id=person_of.get(event.distinct_id, event.distinct_id)) for event in events
    ]


def expected(stored: Sequence[EnrichedEvent], span: Timespan, midnight: datetime) -> OverviewNumbers:
    mine = [event for event in stored if event.project == "shop" and moment(event) < span.end]
    period = [event for event in mine if moment(event) >= span.start]
    active = {event.distinct_id for event in period if event.event not in SYSTEM}
    buyers = {event.distinct_id for event in period if event.event == "ticket_purchased"}
    today = {e.distinct_id for e in period if e.event not in SYSTEM and moment(e) >= midnight}
    lengths = session_lengths(mine, span)
    return OverviewNumbers(
        tracked_events=len(period),
        total_events=sum(event.event == "event_created" for event in period),
        total_users=len({event.distinct_id for event in mine}),
        active_users_today=len(today),
        ticket_conversion=len(buyers) / len(active) if active else None,
        avg_session_length=sum(lengths) / len(lengths) if lengths else None,
        revenue=revenue(period),
        newest_received=max((moment(event) for event in mine), default=None),
    )


def revenue(events: Sequence[EnrichedEvent]) -> dict[str, float]:
    totals: dict[str, float] = defaultdict(float)
    for event in events:
        sign = {"ticket_purchased": 1, "payment_refunded": -1}.get(event.event)
        if sign:
            properties = json.loads(bytes(event.properties))
            totals[properties.get("currency", "INR").upper()] += sign * properties.get("amount", 0)
    return dict(totals)


def session_lengths(events: Sequence[EnrichedEvent], span: Timespan) -> list[float]:
    """Minutes of each session begun within the span."""
    named: dict[tuple[str, str], list[datetime]] = defaultdict(list)
    unnamed: dict[str, list[datetime]] = defaultdict(list)
    for event in sorted(events, key=lambda one: one.timestamp):
        if event.event in SYSTEM:
            continue
        if event.session_id:
            if moment(event) >= span.start - timedelta(days=1):
                named[event.distinct_id, event.session_id].append(moment(event))
        else:
            unnamed[event.distinct_id].append(moment(event))
    sessions = list(named.values())
    for times in unnamed.values():
        current = [times[0]]
        for at in times[1:]:
            if at - current[-1] > HALF_HOUR:
                sessions.append(current)
                current = []
            current.append(at)
        sessions.append(current)
    return [(times[-1] - times[0]).total_seconds() / 60 for times in sessions if times[0] >= span.start]


def approximately(numbers: OverviewNumbers) -> dict[str, Any]:
    return {
        "counts": (
            numbers.tracked_events,
            numbers.total_events,
            numbers.total_users,
            numbers.active_users_today,
            numbers.newest_received,
        ),
        "conversion": pytest.approx(numbers.ticket_conversion),
        "length": pytest.approx(numbers.avg_session_length),
        "revenue": pytest.approx(dict(numbers.revenue), abs=0.001),
    }


def plainly(numbers: OverviewNumbers) -> dict[str, Any]:
    return {
        "counts": approximately(numbers)["counts"],
        "conversion": numbers.ticket_conversion,
        "length": numbers.avg_session_length,
        "revenue": dict(numbers.revenue),
    }


@pytest.mark.parametrize("seed", [1, 2])
async def test_it_equals_a_plain_computation(store: Store, put: Put, enrich: Enrich, seed: int) -> None:
    events = generated(enrich, seed)
    await put(events)
    for days, zone in [(7, "UTC"), (1, "Asia/Kolkata"), (3, "America/Los_Angeles"), (3650, "UTC")]:
        span = last_days(days, NOW, timezone(zone))
        midnight = NOW.astimezone(span.zone).replace(hour=0, minute=0, second=0)
        numbers = await overview(store, "shop", span, "INR")
        wanted = expected(events, span, midnight)
        assert wanted.tracked_events > 0
        assert plainly(numbers) == approximately(wanted), (days, zone)


async def test_users_are_persons(store: Store, put: Put, enrich: Enrich) -> None:
    events = generated(enrich, 3)
    await put(events)
    # Some are another's person, some that of several, some by a person that has no events; some are alone.
    person_of = {f"user-{number}": f"user-{number % 7}" for number in range(7, 30)}
    person_of |= {"user-40": "nobody's id", "user-41": "nobody's id", "never seen": "user-3"}
    person_of |= {"user-50": "user-50"}
    await store_persons(store, person_of)
    merged = of_persons(events, person_of)
    for days, zone in [(7, "UTC"), (1, "Asia/Kolkata"), (3650, "UTC")]:
        span = last_days(days, NOW, timezone(zone))
        midnight = NOW.astimezone(span.zone).replace(hour=0, minute=0, second=0)
        wanted, separate = expected(merged, span, midnight), expected(events, span, midnight)
        assert wanted.total_users < separate.total_users
        assert wanted.avg_session_length != separate.avg_session_length
        assert plainly(await overview(store, "shop", span, "INR")) == approximately(wanted), (days, zone)


async def test_without_events_ratios_are_null(store: Store) -> None:
    numbers = await overview(store, "shop", last_days(7, NOW, UTC), "INR")
    assert numbers == OverviewNumbers(0, 0, 0, 0, None, None, {}, None)


async def test_system_events_make_nobody_active(store: Store, put: Put, enrich: Enrich) -> None:
    at = NOW - timedelta(hours=1)
    await put([enrich("api_request", "user-1", at), enrich("system_metric", "user-2", at)])
    numbers = await overview(store, "shop", last_days(7, NOW, UTC), "INR")
    assert (numbers.tracked_events, numbers.total_users, numbers.active_users_today) == (2, 2, 0)
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
    numbers = await overview(store, "shop", last_days(7, NOW, UTC), "INR")
    assert numbers.revenue["EUR"] == 10


async def test_many_currencies_are_cut_to_the_largest_and_the_projects_own(
    store: Store, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(hours=1)
    letters = string.ascii_uppercase
    codes = [f"A{second}{third}" for second in letters for third in letters]
    sold = [{"amount": 1000 + rank, "currency": code} for rank, code in enumerate(codes)]
    sold += [{"amount": 1}, {"amount": 1, "currency": "INR"}]
    sold += [{"amount": 1, "currency": f"made up {number}"} for number in range(2000)]
    await put([enrich("ticket_purchased", "user-1", at, properties) for properties in sold])
    numbers = await overview(store, "shop", last_days(7, NOW, UTC), "INR")
    largest = {code: 1000.0 + rank for rank, code in enumerate(codes)}
    kept = dict(sorted(largest.items(), key=lambda one: -one[1])[: MAX_CURRENCIES - 1])
    assert numbers.revenue == {"INR": 2.0, "other": 2000.0, **kept}


@pytest.mark.parametrize(
    "name", ["'", "' OR 1 = 1 --", "\\", "{x:String}", "%s", "\n\t\r", "\x00", "Größe", "💘"]
)
async def test_names_are_bound_never_pasted(store: Store, put: Put, enrich: Enrich, name: str) -> None:
    await put([enrich("click", "user-1", NOW - timedelta(hours=1), project=name), enrich("click", "u", NOW)])
    numbers = await overview(store, name, last_days(7, NOW, UTC), "INR")
    assert numbers.tracked_events == 1
