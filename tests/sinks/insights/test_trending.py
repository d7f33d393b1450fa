"""Pieces that people turn to are told once, until they have cooled."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_schemas.insight import Insight
from loopin_schemas.scores.trending import heat, trending_score
from loopin_sinks.content.pieces import Piece
from loopin_sinks.insights.stored import open_insights, replace
from loopin_sinks.insights.trending import piece_of, trending_content
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime.now(UTC).replace(hour=6, minute=20, second=0, microsecond=0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("trending"), migrated) as store:
        yield store


async def look(store: Store, project: str, now: datetime) -> list[Insight]:
    scope = Scope(project=project, zone=UTC, now=now)
    await replace(store, project, await trending_content(store, scope), now)
    return await open_insights(store, project, now)


def viewed(piece: str, people: range, at: datetime, event: str = "content_viewed") -> list[Done]:
    of = {"content_type": "post", "object_id": piece}
    return [Done(f"user-{number}", event, at, of) for number in people]


async def test_what_rises_is_told_and_what_is_always_popular_is_not(store: Store) -> None:
    rising = viewed("a/b", range(60), NOW - HOUR) + viewed("a/b", range(3), NOW - 2 * HOUR, "content_shared")
    # Each day another seventy people.
    always = [
        one
        for day in range(6)
        for one in viewed("hit", range(70 * day, 70 * day + 70), NOW - day * DAY - HOUR)
    ]
    few = viewed("few", range(20), NOW - HOUR)
    again = viewed("reloaded", range(5), NOW - HOUR) * 20
    await put(store, [*rising, *always, *few, *again])
    [found] = await look(store, "shop", NOW)
    assert (found.insight_type, found.target_type, found.target_id) == ("trending", "content", "post/a/b")
    assert piece_of(found.target_id) == Piece("post", "a/b")
    plain = heat([("content_viewed", 1.0)] * 60 + [("content_shared", 2.0)] * 3)
    assert found.evidence.value == pytest.approx(trending_score(plain))
    assert found.evidence.expected == 0.0
    assert found.suggested_actions[1].endswith("/api/analytics/content/post/a%2Fb.")
    assert found.description.startswith("60 people have viewed it")

    # It goes on, as it was told; a day and a half later it is over.
    assert await look(store, "shop", NOW + HOUR) == [found]
    assert await look(store, "shop", NOW + 3 * DAY) == []
    # And found once more it is told once more.
    await put(store, viewed("a/b", range(200), NOW + 3 * DAY))
    [again_found] = await look(store, "shop", NOW + 3 * DAY + HOUR)
    assert again_found.id != found.id


async def test_nothing_is_said_of_a_project_without_content(store: Store) -> None:
    await put(store, [Done("a", "$pageview", NOW - HOUR)], "empty")
    assert await look(store, "empty", NOW) == []
