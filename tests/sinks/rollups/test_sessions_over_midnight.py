"""Sessions that go on from a rolled day into today, by a plain computation over the events."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import pyarrow as pa
import pytest
import pytest_asyncio

from loopin_schemas import EnrichedEvent
from loopin_sinks.metric_values import sessions
from loopin_sinks.metric_values.calculate import with_rollups
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.rows import to_arrow
from loopin_sinks.store import Store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.migrated import migrated_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIDNIGHT = datetime(2026, 3, 20, tzinfo=UTC)
NOW = MIDNIGHT + timedelta(hours=11)
TOPIC_ID = "00000000-0000-0000-0000-000000000001"
GAP = timedelta(minutes=30)


class Seen(NamedTuple):
    """An event: whose, when, of which session, and whether a page was viewed."""

    user: str
    at: datetime
    session: str
    view: bool


class Session(NamedTuple):
    began: datetime
    ended: datetime
    views: int
    others: int


def some_events(chance: random.Random) -> list[Seen]:
    """Of few users around midnight; ids are those of several users, and of none."""
    found = []
    for _ in range(chance.randrange(40, 120)):
        minutes = chance.gauss(0, chance.choice([10, 60, 200]))
        at = MIDNIGHT + timedelta(minutes=max(-700, min(650, round(minutes))))
        session = chance.choice(["", "", "a", "b", "c"])
        found.append(Seen(f"u{chance.randrange(6)}", at, session, chance.random() < 0.6))
    return [*found, Seen("u0", MIDNIGHT - timedelta(days=2), "old", True)]


def plain(events: Iterable[Seen], persons: Mapping[str, str]) -> list[Session]:
    """Sessions of persons: all of one id, or what has no longer pause."""
    by_key: dict[tuple[str, str], list[Seen]] = defaultdict(list)
    for event in sorted(events, key=lambda event: event.at):
        by_key[persons.get(event.user, event.user), event.session].append(event)
    runs: list[list[Seen]] = []
    for (_, session), seen in by_key.items():
        run = [seen[0]]
        for event in seen[1:]:
            if session == "" and event.at - run[-1].at > GAP:
                runs.append(run)
                run = []
            run.append(event)
        runs.append(run)
    return [
        Session(run[0].at, run[-1].at, sum(e.view for e in run), sum(not e.view for e in run)) for run in runs
    ]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("midnight"), migrated) as store:
        yield store


async def put(store: Store, project: str, events: Iterable[Seen]) -> None:
    made = [
        EnrichedEvent(
            uuid=str(uuid.uuid4()),
            project=project,
            event="$pageview" if event.view else "comment_added",
            distinct_id=event.user,
            session_id=event.session,
            timestamp=round(event.at.timestamp() * 1000),
            received_at=round(event.at.timestamp() * 1000),
            raw_partition=0,
            raw_offset=0,
        )
        for event in events
    ]
    rows = to_arrow(made, 0, range(len(made)), TOPIC_ID, lambda _: 3650, round(NOW.timestamp() * 1000))
    await store.insert("events", rows, token=str(uuid.uuid4()))


@pytest.mark.parametrize("most", [10_000, 2])
@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("seed", range(4))
async def test_they_are_told_as_the_events_tell_them(
    opened: Store, monkeypatch: pytest.MonkeyPatch, seed: int, linked: bool, most: int
) -> None:
    monkeypatch.setattr(sessions, "MAX_CARRIED", most)
    project = f"p{seed}{linked}{most}"
    events = some_events(random.Random(f"{seed}{linked}"))
    persons = {"u1": "u0", "u2": "u3"} if linked else {}
    await put(opened, project, events)
    for number, (user, person) in enumerate(persons.items()):
        moved = {"project": project, "distinct_id": user, "person": person, "revision": 1, "_stored_at": NOW}
        await opened.insert(
            PERSON_IDS, pa.Table.from_pylist([moved], schema=IDS_SCHEMA), token=f"{project}{number}"
        )
    projects = Projects(lambda _: Project(retention=Retention(3650)))
    roller = DayRoller(opened, projects, interval_s=1, leads=lambda: True, clock=lambda: NOW)
    assert await roller.roll_once(asyncio.Event()) > 0
    scope = await with_rollups(opened, Scope(project, UTC, NOW))
    yesterday = scope.day_of(NOW) - 1
    assert yesterday in scope.rolled.unfinished
    assert scope.rolled.linked == linked

    expected = plain(events, persons)
    hours = [timedelta(hours=hour) for hour in (-24, 0, 1, 5, 11)]
    for edges in (hours, hours[:3], hours[1:], hours[1:3]):
        asked = Periods(tuple(MIDNIGHT + edge for edge in edges))
        found = await sessions.session_numbers(opened, scope, asked)
        for number, (start, end) in enumerate(zip(asked.edges, asked.edges[1:], strict=False)):
            begun = [one for one in expected if start <= one.began < end]
            minutes = [(one.ended - one.began) / timedelta(minutes=1) for one in begun]
            bounced = [one for one in begun if (one.views, one.others) == (1, 0)]
            key = (number, "")
            assert found.counts["all"].get(key, 0) == len(begun)
            assert found.counts["viewed"].get(key, 0) == sum(one.views > 0 for one in begun)
            assert found.counts["bounced"].get(key, 0) == len(bounced)
            assert found.minutes.get(key) == (pytest.approx(fmean(minutes)) if begun else None)
