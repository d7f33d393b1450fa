"""Which days the roller rolls up, and when again, on the real engine."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas import EnrichedEvent
from loopin_schemas.metrics.definition import Count, events
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.rollups.measures import COUNTED
from loopin_sinks.rollups.notes import notes, rolled
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.rows import to_arrow
from loopin_sinks.store import Store, StoreError, StoreSettings, open_store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.migrated import fill
from tests.sinks.faulty_store import FaultyStore

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0)
TODAY = (NOW - datetime(1970, 1, 1, tzinfo=UTC)).days


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    settings = StoreSettings(data_dir=tmp_path_factory.mktemp("roller") / "data")
    fill(settings, migrated)
    store = open_store(settings)
    # The engine removes by the machine's clock; here the tests do, by their own.
    await store.command("ALTER TABLE events REMOVE TTL")
    yield store
    await store.close()


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    """The same for all tests, each time empty."""
    for table in (
        *("events", "person_days", "user_events", "event_days", "session_days", "open_sessions"),
        *("rolled_days", "rollup_looks"),
    ):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened


def midnight(day: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)


async def put(
    store: Store, *at: datetime, stored: datetime, user: str = "member-1", kept: int = 3650
) -> None:
    """Store an event of each of these times."""
    made: Sequence[EnrichedEvent] = [
        EnrichedEvent(
            uuid=str(uuid.uuid4()),
            project="shop",
            event="$pageview",
            distinct_id=user,
            timestamp=round(moment.timestamp() * 1000),
            received_at=round(moment.timestamp() * 1000),
            raw_partition=0,
            raw_offset=0,
        )
        for moment in at
    ]
    offset = round(stored.timestamp() * 1000)
    topic_id = "00000000-0000-0000-0000-000000000001"
    rows = to_arrow(made, 0, range(offset, offset + len(made)), topic_id, lambda _: kept, offset)
    await store.insert("events", rows, token=str(uuid.uuid4()))


def roller(store: Store, now: datetime = NOW, *, kept: int = 3650, leads: bool = True) -> DayRoller:
    projects = Projects(lambda _: Project(retention=Retention(kept)))
    return DayRoller(store, projects, interval_s=1, leads=lambda: leads, clock=lambda: now)


async def counted(store: Store) -> dict[int, int]:
    """Events by day back from today, as they are noted."""
    return {TODAY - day: note.events for day, note in (await notes(store, "shop", "UTC")).items()}


async def test_days_that_are_over_are_rolled_up_and_those_between_them_too(store: Store) -> None:
    await put(store, MIDNIGHT - timedelta(days=2), MIDNIGHT - timedelta(milliseconds=1), MIDNIGHT, stored=NOW)
    assert await roller(store, leads=False).roll_once(asyncio.Event()) == 0
    assert await roller(store, MIDNIGHT + timedelta(minutes=9)).roll_once(asyncio.Event()) == 1
    assert await counted(store) == {2: 1}
    assert await roller(store, MIDNIGHT + timedelta(minutes=11)).roll_once(asyncio.Event()) == 1
    assert await counted(store) == {2: 1, 1: 1}

    await put(store, MIDNIGHT - timedelta(days=5), stored=NOW)
    assert await roller(store).roll_once(asyncio.Event()) == 3
    assert await counted(store) == {5: 1, 4: 0, 3: 0, 2: 1, 1: 1}


async def test_a_day_whose_events_come_late_is_rolled_up_again_and_no_other(store: Store) -> None:
    at = [MIDNIGHT - timedelta(days=days, hours=-1) for days in (1, 2, 3)]
    await put(store, *at, stored=NOW - timedelta(hours=2))
    first = roller(store)
    assert await first.roll_once(asyncio.Event()) == 3
    assert await first.roll_once(asyncio.Event()) == 0

    await put(store, at[1] + timedelta(hours=3), stored=NOW + timedelta(hours=1), user="member-2")
    usable = await rolled(store, "shop", "UTC", midnight)
    assert {TODAY - day for day, noted in usable.days.items() if not noted.whole} == {2}
    later = roller(store, NOW + timedelta(hours=1, minutes=1))
    assert await later.roll_once(asyncio.Event()) == 1
    assert await counted(store) == {3: 1, 2: 2, 1: 1}
    assert all(noted.whole for noted in (await rolled(store, "shop", "UTC", midnight)).days.values())
    found = await store.query("SELECT day, sum(events) AS n FROM person_days FINAL GROUP BY day ORDER BY day")
    assert [row["n"] for row in found] == [1, 2, 1]


async def test_one_that_seems_older_but_became_visible_later_is_found(store: Store) -> None:
    """An insert that was under way when its day was rolled up."""
    at = MIDNIGHT - timedelta(hours=3)
    await put(store, at, stored=NOW)
    assert await roller(store).roll_once(asyncio.Event()) == 1
    await put(store, at, stored=NOW - timedelta(minutes=1))
    assert await roller(store, NOW + timedelta(minutes=1)).roll_once(asyncio.Event()) == 1
    assert await counted(store) == {1: 2}


async def test_days_that_retention_has_begun_to_remove_stay_as_they_are(store: Store) -> None:
    at = [MIDNIGHT - timedelta(days=days, hours=-1) for days in (1, 9, 10, 11)]
    await put(store, *at, stored=NOW - timedelta(hours=2))
    assert await roller(store, kept=10).roll_once(asyncio.Event()) == 9
    assert min(await counted(store)) == 1
    assert max(await counted(store)) == 9
    later = NOW + timedelta(days=2)
    await store.command("TRUNCATE TABLE events")
    await put(store, at[1], stored=later)
    assert await roller(store, later, kept=10).roll_once(asyncio.Event()) == 2
    assert (await counted(store))[9] == 1


async def test_a_store_that_refuses_is_told_of_until_it_answers(store: Store) -> None:
    await put(store, MIDNIGHT - timedelta(hours=3), stored=NOW)
    faulty = FaultyStore(store)
    at_fault = roller(faulty)
    assert at_fault.behind_s is None
    faulty.failing = True
    with pytest.raises(StoreError):
        await at_fault.roll_once(asyncio.Event())
    assert at_fault.behind_s is None
    faulty.failing = False
    assert await at_fault.roll_once(asyncio.Event()) == 1
    assert at_fault.behind_s == 0


async def test_a_day_of_which_some_was_removed_is_never_rolled_up_from_the_rest(store: Store) -> None:
    """Its events were to be kept for 10 days; the setting was raised before those that come late."""
    old = MIDNIGHT - timedelta(days=9, hours=-1)
    await put(store, old, old + timedelta(hours=1), stored=NOW - timedelta(hours=2), kept=10)
    assert await roller(store, kept=10).roll_once(asyncio.Event()) == 9
    later = NOW + timedelta(days=2)
    await store.command("TRUNCATE TABLE events")
    late = [old + timedelta(minutes=number) for number in range(5)]
    await put(store, *late, stored=later, kept=3650)
    assert await roller(store, later, kept=3650).roll_once(asyncio.Event()) == 2
    assert (await counted(store))[9] == 2
    usable = (await rolled(store, "shop", "UTC", midnight)).telling([COUNTED])
    assert TODAY - 9 in usable
    assert await pageviews(store, later) == 2


async def test_it_is_seen_by_the_events_too_where_no_look_has_noted_it(store: Store) -> None:
    """The setting was raised, and the task stood still, since before the events were removed."""
    old = MIDNIGHT - timedelta(days=9, hours=-1)
    await put(store, old, old + timedelta(hours=1), stored=NOW - timedelta(hours=2), kept=10)
    await put(store, MIDNIGHT - timedelta(hours=1), stored=NOW - timedelta(hours=2), kept=10)
    assert await roller(store, kept=3650).roll_once(asyncio.Event()) == 9
    later = NOW + timedelta(days=2)
    await store.command(
        "DELETE FROM events WHERE timestamp < {until:DateTime64(3, 'UTC')}",
        {"until": MIDNIGHT - timedelta(days=1)},
    )
    await put(store, old, stored=later, kept=3650)
    await roller(store, later, kept=3650).roll_once(asyncio.Event())
    assert (await counted(store))[9] == 2
    assert await pageviews(store, later) == 3


async def pageviews(store: Store, now: datetime) -> float:
    """Of all days before the last two."""
    whole = Periods((MIDNIGHT - timedelta(days=10), MIDNIGHT))
    return (await values_of(store, Scope("shop", UTC, now), Count(events("$pageview")), whole))[0, ""]


async def test_what_was_rolled_up_before_is_removed_by_the_next_look(store: Store) -> None:
    at = MIDNIGHT - timedelta(days=1, hours=-1)
    await put(store, at - timedelta(days=1), at, stored=NOW - timedelta(hours=2))
    await roller(store).roll_once(asyncio.Event())
    for hours in (1, 2):
        await put(store, at + timedelta(hours=hours), stored=NOW + timedelta(hours=hours))
        await roller(store, NOW + timedelta(hours=hours, minutes=1)).roll_once(asyncio.Event())
    await roller(store, NOW + timedelta(hours=3)).roll_once(asyncio.Event())
    for table in ("event_days", "session_days", "open_sessions"):
        rows = await store.query(f"SELECT day, uniqExact(version) AS versions FROM {table} GROUP BY day")
        assert [row["versions"] for row in rows] == [1] * len(rows)
        assert rows
    assert await pageviews(store, NOW + timedelta(hours=3)) == 4


async def test_days_that_an_earlier_release_rolled_up_are_rolled_up_again(store: Store) -> None:
    await put(store, MIDNIGHT - timedelta(hours=3), stored=NOW)
    assert await roller(store).roll_once(asyncio.Event()) == 1
    await store.command(
        "INSERT INTO rolled_days (project, zone, day, events, newest_received, stored, digest, version, "
        "_retention_days) SELECT project, zone, day, events, newest_received, stored, digest, version + 1, "
        "_retention_days FROM rolled_days"
    )
    assert (await rolled(store, "shop", "UTC", midnight)).telling([COUNTED]) == {}
    assert await roller(store, NOW + timedelta(minutes=1)).roll_once(asyncio.Event()) == 1
    assert [*(await rolled(store, "shop", "UTC", midnight)).telling([COUNTED])] == [TODAY - 1]
