"""Days of projects in different zones, over a night in which clocks change, against the tz database."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from loopin_schemas import EnrichedEvent
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.projects.project import Projects
from tests.migrated import fill
from tests.streams.projects.own import configured, own

pytestmark = pytest.mark.asyncio(loop_scope="module")

BEGIN = datetime(2026, 3, 5, tzinfo=UTC)
"""Clocks of New York are put forward on 8 March: that day has 23 hours."""
NOW = datetime(2026, 3, 12, 12, tzinfo=UTC)
HOURS = [BEGIN + timedelta(hours=number, minutes=29) for number in range(7 * 24)]
ZONES = {"york": "America/New_York", "kolkata": "Asia/Kolkata", "plain": "UTC"}
KEPT = {"raw_retention_days": 3650, "daily_retention_days": 3650}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    """An event each hour of three projects."""
    settings = StoreSettings(data_dir=tmp_path_factory.mktemp("zones") / "data")
    fill(settings, migrated)
    store = open_store(settings)
    events = [
        EnrichedEvent(
            uuid=str(uuid.uuid4()),
            project=project,
            event="$pageview",
            distinct_id="member-1",
            timestamp=round(at.timestamp() * 1000),
            received_at=round(at.timestamp() * 1000),
            raw_partition=0,
            raw_offset=0,
        )
        for project in ZONES
        for at in HOURS
    ]
    topic_id = "00000000-0000-0000-0000-000000000001"
    stored = round(NOW.timestamp() * 1000) - 60_000
    rows = to_arrow(events, 0, range(len(events)), topic_id, lambda _: 3650, stored)
    for month, part in by_month(rows):
        await store.insert("events", part, token=month)
    yield store
    await store.close()


def plainly(zone: str) -> dict[date, int]:
    """Events by the day that clocks of the zone show; the day that is not over is left out."""
    today = NOW.astimezone(ZoneInfo(zone)).date()
    days = Counter(at.astimezone(ZoneInfo(zone)).date() for at in HOURS)
    return {day: number for day, number in days.items() if day < today}


async def counted(store: Store) -> dict[tuple[str, str], dict[date, int]]:
    """Events by project and zone, and by day; days without any are left out."""
    found: dict[tuple[str, str], dict[date, int]] = {}
    for row in await store.query(
        "SELECT toString(project) AS project, toString(zone) AS zone, day, sum(events) AS number "
        "FROM person_days FINAL GROUP BY project, zone, day"
    ):
        found.setdefault((row["project"], row["zone"]), {})[row["day"]] = row["number"]
    return found


async def test_each_project_has_its_own_days_and_new_ones_where_its_zone_changes(store: Store) -> None:
    configuration = configured(
        **{project: {"timezone": zone, **KEPT} for project, zone in ZONES.items() if zone != "UTC"},
        plain=KEPT,
    )
    projects = Projects(configuration=lambda: configuration)
    roller = DayRoller(store, projects, interval_s=1, leads=lambda: True, clock=lambda: NOW)
    await roller.roll_once(asyncio.Event())
    first = {(project, zone): plainly(zone) for project, zone in ZONES.items()}
    assert first["york", "America/New_York"][date(2026, 3, 8)] == 23
    assert await counted(store) == first
    assert await roller.roll_once(asyncio.Event()) == 0

    assert configuration.apply(own("kolkata", "2", timezone="America/New_York", **KEPT)) is None
    rolled = await roller.roll_once(asyncio.Event())
    assert rolled == len(plainly("America/New_York"))
    # Beside the old ones, of which nothing is changed.
    assert await counted(store) == first | {("kolkata", "America/New_York"): plainly("America/New_York")}
    assert await roller.roll_once(asyncio.Event()) == 0


async def test_rollups_are_kept_as_long_as_their_project_has_it(store: Store) -> None:
    configuration = configured(york={**KEPT, "timezone": ZONES["york"], "daily_retention_days": 3000})
    projects = Projects(configuration=lambda: configuration)
    tables = ("person_days", "rolled_days", "session_days")
    for table in (*tables, "rollup_looks"):
        await store.command(f"TRUNCATE TABLE {table}")
    roller = DayRoller(store, projects, interval_s=1, leads=lambda: True, clock=lambda: NOW)
    await roller.roll_once(asyncio.Event())
    for table in tables:
        days = "SELECT DISTINCT _retention_days AS days FROM"
        found = await store.query(f"{days} {table} WHERE project = 'york'")
        assert found == [{"days": 3000}], table
