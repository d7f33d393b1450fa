"""Periods whose events are gone: what rollups tell is told, the rest is null and never 0."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from loopin_api.queries.overview import overview
from loopin_api.timespan import Timespan
from loopin_schemas import EnrichedEvent
from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.unknown import unknown
from loopin_sinks.rollups.measures import TOLD
from loopin_sinks.rollups.rolled import Rolled, RolledDay
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.rows import to_arrow
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.migrated import fill

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0)
TODAY = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days
COVERED = TODAY - 10
"""The first day whose events are there."""

VIEWS = d.Count(d.events("$pageview"))


def scope(*rolled: int, whole: bool = True) -> Scope:
    """Of these days, counted back from today, there are rollups."""
    days = {TODAY - back: RolledDay(1, None, 1, frozenset(TOLD), not whole, False) for back in rolled}
    return Scope("shop", UTC, NOW, rolled=Rolled(days=days, covered=COVERED))


def back(*days: int) -> Periods:
    """Periods that begin so many days before today, up to now."""
    return Periods((*(MIDNIGHT - timedelta(days=day) for day in days), NOW))


@pytest.mark.parametrize(
    ("of", "asked", "periods", "expected"),
    [
        (VIEWS, scope(12, 11), back(12), set()),
        (VIEWS, scope(12), back(12), {0}),
        (VIEWS, scope(12), back(12, 11, 10, 5), {1}),
        (VIEWS, scope(), back(10), set()),
        (VIEWS, scope(12, 11, whole=False), back(12), {0}),
        (VIEWS, replace(scope(12, 11), users=("member-1",)), back(12), {0}),
        (VIEWS, replace(scope(12, 11), where={"community": "one"}), back(12), {0}),
        (VIEWS, replace(scope(12, 11), where={"country": "DE"}), back(12), set()),
        (d.Revenue(), scope(12, 11), back(12), set()),
        (d.Count(d.events("sold", where=d.Condition("kind", "eq", "vip"))), scope(12, 11), back(12), {0}),
        (d.Percentile(d.events("api_request"), "duration_ms", 0.95), scope(12, 11), back(12), {0}),
        (d.Users(d.ACTIVE), scope(12, 11), back(12), set()),
        (d.Users(d.events("ticket_purchased")), scope(12, 11), back(12), set()),
        (d.Users(d.events("ticket_purchased")), scope(12, 11), back(12, 11), {0, 1}),
        (d.UsersSoFar(d.ACTIVE), scope(), back(12), set()),
    ],
)
def test_a_day_is_known_by_its_events_or_by_rollups(
    of: d.Definition, asked: Scope, periods: Periods, expected: set[int]
) -> None:
    assert unknown(asked, of, periods, COVERED) == expected


def test_a_part_of_a_day_is_not_told_by_its_rollups() -> None:
    cut = Periods((MIDNIGHT - timedelta(days=12, hours=-1), MIDNIGHT - timedelta(days=11), NOW))
    assert unknown(scope(12, 11), VIEWS, cut, COVERED) == {0}


async def test_what_nobody_can_tell_is_null(tmp_path: Path, migrated: Path) -> None:
    """Events are kept for 10 days; those of the 12th and 11th day before were rolled up, no earlier ones."""
    chosen = StoreSettings(data_dir=tmp_path / "data")
    fill(chosen, migrated)
    store = open_store(chosen)
    await store.command("ALTER TABLE events REMOVE TTL")
    at = [MIDNIGHT - timedelta(days=number, hours=-1) for number in range(1, 13)]
    made = [
        EnrichedEvent(
            uuid=str(uuid4()),
            project="shop",
            event="event_created",
            distinct_id="member-1",
            timestamp=round(moment.timestamp() * 1000),
            received_at=round(moment.timestamp() * 1000),
            raw_partition=0,
            raw_offset=0,
        )
        for moment in at
    ]
    topic_id = "00000000-0000-0000-0000-000000000001"
    rows = to_arrow(made, 0, range(len(made)), topic_id, lambda _: 10, round(at[0].timestamp() * 1000))
    await store.insert("events", rows, token="events")
    then = NOW - timedelta(days=2)
    projects = Projects(lambda _: Project(retention=Retention(10)))
    before = DayRoller(store, projects, interval_s=1, leads=lambda: True, clock=lambda: then)
    assert await before.roll_once(asyncio.Event()) == 9
    await store.command(
        "DELETE FROM events WHERE timestamp < {until:DateTime64(3, 'UTC')}",
        {"until": MIDNIGHT - timedelta(days=9)},
    )
    now = DayRoller(store, projects, interval_s=1, leads=lambda: True, clock=lambda: NOW)
    await now.roll_once(asyncio.Event())

    asked = Scope("shop", UTC, NOW)
    created = d.Count(d.events("event_created"))
    for days, expected in ((9, 9.0), (11, 11.0), (12, None), (200, None)):
        found = await Calculator(store, asked).values(created, back(days))
        assert found.get((0, "")) == expected, days
    share = d.Quotient(d.Count(d.events("event_cancelled")), created)
    assert await Calculator(store, asked).values(share, back(12, 11)) == {(1, ""): 0.0}
    numbers = await overview(store, asked, Timespan(MIDNIGHT - timedelta(days=200), NOW, UTC))
    assert (numbers.total_events, numbers.tracked_events, numbers.revenue) == (None, None, None)
    numbers = await overview(store, asked, Timespan(MIDNIGHT - timedelta(days=11), NOW, UTC))
    assert (numbers.total_events, numbers.tracked_events, numbers.revenue) == (11, 11, 0.0)
    await store.close()
