"""More platform events than a small project has: what is open is found, and past weeks are learned from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.recommendations import read
from loopin_sinks.recommendations.event_weeks import event_week
from loopin_sinks.recommendations.read import demand, history, platform_events
from loopin_sinks.recommendations.recent import EVENTS
from loopin_sinks.recommendations.recommend import recommended_events
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.recommendations.similar import similar_events
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, put
from tests.sinks.recommendations.whole_weeks import NO_CHECKS, whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW)
DAY = timedelta(days=1)
A_DAY = 200
FANS = 30


def made(id: str, at: datetime, starts: datetime | None, **more: str) -> Done:
    given = {"event_id": id, **more}
    return Done("host", "event_created", at, given if starts is None else {**given, "starts_at": iso(starts)})


def iso(at: datetime) -> str:
    return at.isoformat()


def lived() -> list[Done]:
    """200 a day for 40 days, each open for ten days but one for longer; some join some of each day."""
    found = []
    for ago in range(40, 0, -1):
        at = NOW - ago * DAY
        found += [made(f"e{ago}-{n}", at, at + (50 if n == 7 else 10) * DAY) for n in range(A_DAY)]
        found += [
            Done(f"u{n}", "event_joined", at + DAY * 2, {"event_id": f"e{ago}-{n % 5}"})
            for n in range(FANS)
            if ago > 2
        ]
    found += [Done(f"fan-{n}", "event_joined", NOW - DAY, {"event_id": "e39-7"}) for n in range(50)]
    # Of an event that is long over somebody may ask still.
    return [*found, made("long-ago", NOW - 100 * DAY, NOW - 95 * DAY, city="Pune")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("many"), migrated) as store:
        await put(store, lived())
        yield store


async def test_what_is_open_is_recommended_however_many_were_created_since(store: Store) -> None:
    found = await recommended_events(Shared(store), SCOPE, "new", 10)
    assert found.items[0].id == "e39-7"


async def test_each_week_is_learned_from_what_was_open_then(store: Store) -> None:
    events = await platform_events(store, SCOPE)
    known = await history(store, SCOPE, EVENTS, events.number)
    wanted = await demand(store, SCOPE, EVENTS, events.number)
    for week in (1, 2, 3, 4):
        at = epoch_ms(NOW - week * 7 * DAY)
        found = whole(event_week(events, known, wanted, NO_CHECKS, at))
        # Created in the ten days before, and the seventh of the days before these.
        ago = range(week * 7, 41)
        there = {f"e{day}-{n}" for day in ago[:10] for n in range(A_DAY)} | {f"e{day}-7" for day in ago}
        assert {events.all[number].id for number in found.items} == there
        assert found.taken.shape[0] == FANS + (50 if week == 1 else 0)
        assert found.taken.any(axis=1).all()


async def test_one_that_is_not_among_those_looked_at_has_others_like_it(store: Store) -> None:
    await put(store, [made("in-pune", NOW - DAY, NOW + DAY, city="Pune")], "small")
    await put(store, [made("long-ago", NOW - 100 * DAY, NOW - 95 * DAY, city="Pune")], "small")
    scope = Scope(project="small", zone=UTC, now=NOW)
    found = await similar_events(Shared(store), scope, "long-ago", 10)
    assert found is not None
    assert [(item.id, item.why[0]) for item in found] == [("in-pune", "Both are in Pune.")]
    assert await similar_events(Shared(store), scope, "e1-1", 10) is None


async def test_of_too_many_those_come_first_that_are_open_and_begin_soonest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = [
        *(made(f"open-{n}", NOW - 60 * DAY, NOW + (10 - n) * DAY) for n in range(5)),
        made("any-time", NOW - 60 * DAY, None),
        *(made(f"over-{n}", NOW - n * DAY, NOW - timedelta(hours=1)) for n in range(2, 7)),
        *(made(f"before-{n}", NOW - 80 * DAY, NOW - 30 * DAY) for n in range(5)),
        # In order: what closes one, and what opens it again.
        made("cancelled", NOW - DAY, NOW + DAY),
        made("published", NOW - DAY, NOW + 20 * DAY),
        made("full", NOW - DAY, NOW + DAY),
        made("free-again", NOW - DAY, NOW + 21 * DAY),
    ]
    hour = timedelta(hours=1)
    for id, *names in (
        ("cancelled", "event_published", "event_cancelled"),
        ("published", "event_cancelled", "event_published"),
        ("full", "event_left", "event_sold_out"),
        ("free-again", "event_sold_out", "event_left"),
    ):
        for n, name in enumerate(names):
            done.append(Done("host", name, NOW - (9 - n) * hour, {"event_id": id}))
    await put(store, done, "bounded")
    scope = Scope(project="bounded", zone=UTC, now=NOW)
    soonest = ["open-4", "open-3", "open-2", "open-1", "open-0", "published", "free-again", "any-time"]
    lately = {*(f"over-{n}" for n in range(2, 7)), "cancelled", "full"}
    for most in range(1, 21):
        monkeypatch.setattr(read, "MOST_EVENTS", most)
        found = {event.id for event in (await platform_events(store, scope)).all}
        assert len(found) == min(most, 20)
        assert found >= set(soonest[:most])
        if most <= 15:
            assert found <= {*soonest, *lately}
        else:
            assert found >= {*soonest, *lately}
