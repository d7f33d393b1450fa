"""What is rolled up of users: what they did and others to them, once, whatever comes late."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from loopin_schemas import EnrichedEvent
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.migrated import fill

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0)


@pytest.fixture
async def store(tmp_path: Path, migrated: Path) -> AsyncIterator[Store]:
    chosen = StoreSettings(data_dir=tmp_path / "data")
    fill(chosen, migrated)
    store = open_store(chosen)
    yield store
    await store.close()


def act(name: str, user: str, days: int, **properties: Any) -> EnrichedEvent:
    ms = round((MIDNIGHT - timedelta(days=days) + timedelta(hours=9)).timestamp() * 1000)
    return EnrichedEvent(
        project="shop",
        uuid=str(uuid4()),
        event=name,
        distinct_id=user,
        timestamp=ms,
        received_at=ms,
        properties=msgspec.Raw(json.dumps(properties).encode()),
        raw_partition=0,
        raw_offset=0,
    )


async def put(store: Store, events: list[EnrichedEvent], stored: datetime, offset: int) -> None:
    offsets, topic = range(offset, offset + len(events)), "00000000-0000-0000-0000-000000000001"
    rows = to_arrow(events, 0, offsets, topic, lambda _: 3650, round(stored.timestamp() * 1000))
    for month, part in by_month(rows):
        await store.insert("events", part, token=f"{uuid4()}:{month}")


async def rolled(store: Store, now: datetime) -> Counter[tuple[str, str]]:
    """By user and measure what is rolled up, of the rows that count."""
    roller = DayRoller(
        store,
        Projects(lambda _: Project(retention=Retention(3650))),
        interval_s=1,
        leads=lambda: True,
        clock=lambda: now,
    )
    await roller.roll_once(asyncio.Event())
    rows = await store.query(
        """
        SELECT transform(user, [cityHash64('ada'), cityHash64('bob')], ['ada', 'bob'], '') AS name,
            toString(measure) AS measure, sum(newest) AS n
        FROM (
            SELECT user, measure, day, actor, argMax(number, version) AS newest FROM user_measures
            GROUP BY user, measure, day, actor
        )
        WHERE name != '' AND measure NOT IN ('sessions', 'length_ms') GROUP BY name, measure
        """
    )
    return Counter({(row["name"], row["measure"]): row["n"] for row in rows})


async def test_what_users_did_and_got_is_counted_once(store: Store) -> None:
    first = [
        act("content_liked", "ada", 2, author_id="bob"),
        act("content_liked", "ada", 2, author_id="bob"),
        act("content_liked", "bob", 2, author_id="bob"),
        act("content_liked", "bob", 2, author_id="ada", **{"$is_bot": True}),
        act("user_followed", "ada", 1, followed_id="bob"),
        act("user_unfollowed", "bob", 1, followed_id="ada"),
        act("content_created", "ada", 0),
        act("$pageview", "ada", 1),
    ]
    await put(store, first, NOW - timedelta(hours=2), 0)
    told = Counter(
        {
            ("ada", "total_likes_given"): 2,
            ("bob", "total_likes_received"): 3,
            ("bob", "total_likes_given"): 1,
            ("bob", "followers_gained"): 1,
            ("ada", "followers_lost"): 1,
        }
    )
    assert await rolled(store, NOW) == told
    late = [act("content_liked", "ada", 2, author_id="bob"), act("content_commented", "bob", 2)]
    await put(store, late, NOW + timedelta(hours=1), len(first))
    told.update([("ada", "total_likes_given"), ("bob", "total_likes_received"), ("bob", "total_comments")])
    assert await rolled(store, NOW + timedelta(hours=2)) == told
