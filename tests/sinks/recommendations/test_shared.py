"""What all users have in common is read once a minute; what a user did counts at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.recommendations import shared as module
from loopin_sinks.recommendations.recommend import recommended_communities, recommended_events
from loopin_sinks.recommendations.shared import KEPT_FOR, Shared
from loopin_sinks.store import RowStream, Store, StoreError
from tests.migrated import migrated_store
from tests.sinks.faulty_store import FaultyStore
from tests.sinks.personas.stored_events import Done, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW)
DAY = timedelta(days=1)


@dataclass
class Counting(FaultyStore):
    """The real store that notes what is streamed from it."""

    streamed: list[str] = field(default_factory=list)

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        self.streamed.append(sql)
        return super().stream(sql, parameters)

    def read(self, part: str) -> int:
        """How many statements had this part."""
        return sum(part in sql for sql in self.streamed)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("shared"), migrated) as store:
        for project in ("shop", "other"):
            made = {"starts_at": (NOW + 5 * DAY).isoformat(), "community_id": "north"}
            done = [Done("host", "event_created", NOW - DAY, {**made, "event_id": f"e{n}"}) for n in range(3)]
            done += [
                Done("ann", "community_joined", NOW - DAY, {"community_id": club}) for club in ("a", "b")
            ]
            await put(store, done, project)
        yield store


@pytest.fixture
def store(kept: Store) -> Counting:
    return Counting(kept)


async def ids(shared: Shared, user: str, now: datetime = NOW) -> tuple[set[str], set[str]]:
    """Platform events and communities that are recommended to a user."""
    scope = replace(SCOPE, now=now)
    events = await recommended_events(shared, scope, user, 10)
    communities = await recommended_communities(shared, scope, user, 10)
    return {item.id for item in events.items}, {item.id for item in communities.items}


async def test_many_who_ask_at_once_wait_for_one_reading(store: Counting) -> None:
    shared = Shared(store)
    found = await asyncio.gather(*(ids(shared, f"u{n}", NOW - timedelta(milliseconds=n)) for n in range(8)))
    assert found == [({"e0", "e1", "e2"}, {"a", "b"})] * 8
    # Platform events once, how many people want them and communities once each, places once.
    assert (
        store.read("AS made_by"),
        store.read("uniqExact"),
        store.read("ORDER BY count() DESC, place"),
    ) == (
        1,
        2,
        1,
    )


async def test_it_is_read_again_after_a_minute_and_for_other_projects_and_other_own_people(
    store: Counting,
) -> None:
    shared = Shared(store)
    reads = []
    for scope in (
        SCOPE,
        replace(SCOPE, now=NOW + KEPT_FOR - timedelta(milliseconds=1)),
        replace(SCOPE, now=NOW + KEPT_FOR),
        replace(SCOPE, project="other"),
        replace(SCOPE, internal=["ann"]),
        # A clock that is set back.
        replace(SCOPE, now=NOW - KEPT_FOR),
    ):
        await shared.events(scope)
        reads.append(store.read("AS made_by"))
    assert reads == [1, 1, 2, 3, 4, 5]


async def test_what_the_user_did_counts_at_once(store: Counting) -> None:
    shared = Shared(store)
    assert await ids(shared, "cleo") == ({"e0", "e1", "e2"}, {"a", "b"})
    later = NOW + timedelta(seconds=20)
    await put(
        store.store,
        [
            Done("cleo", "event_joined", later, {"event_id": "e1"}),
            Done("cleo", "community_joined", later, {"community_id": "b"}),
        ],
    )
    assert await ids(shared, "cleo", later + timedelta(seconds=1)) == ({"e0", "e2"}, {"a"})
    refused = {"community_id": "north", "access_result": "blocked"}
    await put(store.store, [Done("cleo", "geo_access_checked", later, refused)])
    assert (await ids(shared, "cleo", later + timedelta(seconds=1)))[0] == set()
    assert store.read("AS made_by") == 1


async def test_a_reading_that_failed_fails_for_all_who_wait_and_is_not_kept(store: Counting) -> None:
    shared = Shared(store)
    store.failing = True
    found = await asyncio.gather(*(shared.events(SCOPE) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [StoreError] * 3
    assert store.read("AS made_by") == 1
    store.failing = False
    assert len((await shared.events(SCOPE)).events) == 3


async def test_whoever_goes_away_takes_nothing_from_the_others(store: Counting) -> None:
    shared = Shared(store)
    first, second = (asyncio.create_task(shared.events(SCOPE)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert len((await second).events) == 3
    assert first.cancelled()
    assert store.read("AS made_by") == 1


async def test_no_more_is_kept_than_there_is_room_for(
    store: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared(store)
    monkeypatch.setattr(module, "MOST_KEPT", 5)
    other = replace(SCOPE, project="other")
    for scope, reads in ((SCOPE, 1), (SCOPE, 1), (other, 2), (other, 2), (SCOPE, 3)):
        await shared.events(scope)
        assert store.read("AS made_by") == reads
