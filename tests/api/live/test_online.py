"""Who is online, as the plain computation says, told while somebody listens."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.live.clients import Live
from loopin_api.live.feed import Feed
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store, StoreError, StoreSettings, open_store
from tests.api.live.records import alert, until
from tests.api.live.sse import listening
from tests.metrics.community_worlds import NOW, world
from tests.metrics.plain import World
from tests.metrics.plain_communities import Community
from tests.metrics.stored import store_persons
from tests.migrated import fill

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.conftest import Bearer, Broker, Put

WORLD = world(1)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def store(tmp_path: Path, migrated: Path) -> AsyncIterator[Store]:
    chosen = StoreSettings(data_dir=tmp_path / "data")
    fill(chosen, migrated)
    store = open_store(chosen)
    yield store
    await store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, clock: Clock) -> FastAPI:
    told = settings.model_copy(update={"internal_users": tuple(WORLD.internal)})
    return create_app(told, store, broker, clock=clock)


def online(of: World) -> dict[str, int]:
    """By community, by the plain computation."""
    named = [json.loads(bytes(event.properties)).get("community_id") for event in of.events]
    names = {str(name) for name in named if name is not None}
    found = {name: Community(of, name).online() for name in names}
    return {name: number for name, number in found.items() if number}


async def test_it_is_told_at_once_and_when_it_changes(
    url: str, clock: Clock, bearer: Bearer, store: Store, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_api.live.online.EVERY_S", 0.02)
    await put(WORLD.events)
    await store_persons(store, WORLD)
    expected = online(WORLD)
    assert set(expected) == {"c-1", "7"}
    async with listening(url, bearer("read"), query="?types=online") as events:
        first = await events.next()
        assert first.kind == "online"
        told = {str(one["community_id"]): one["online_members"] for one in first.data["communities"]}
        assert told == expected
        numbers = [one["online_members"] for one in first.data["communities"]]
        assert numbers == sorted(numbers, reverse=True)
        # A person may be in several communities, and is one in all of them.
        assert max(numbers) <= first.data["online_members"] <= sum(numbers)
        async with listening(url, bearer("read"), query="?types=online") as second:
            assert (await second.next()).data == first.data
        clock.now += timedelta(days=1)
        assert (await events.next()).data == {"online_members": 0, "communities": []}


async def test_all_clients_of_a_project_share_one_question(
    url: str, live: Live, feed: Feed, store: Store, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_api.live.online.EVERY_S", 0.02)
    asked: Counter[object] = Counter()
    query = store.query

    async def counted(sql: str, parameters: Any = None) -> list[dict[str, Any]]:
        asked[(parameters or {}).get("project")] += 1
        return await query(sql, parameters)

    monkeypatch.setattr(store, "query", counted)
    async with (
        listening(url, bearer("read")) as one,
        listening(url, bearer("read")) as two,
        listening(url, bearer("read", project="other"), query="?types=alert") as other,
    ):
        for events in (one, two):
            assert (await events.next()).kind == "online"
        assert len(live._online._asking) == 1
        feed.absorb_alerts(0, [alert(0, "other")], 1)
        assert (await other.next()).kind == "alert"
    await until(lambda: not live._online._asking)
    assert set(asked) == {"shop"}


async def test_a_store_that_does_not_answer_stops_nothing(
    url: str, feed: Feed, store: Store, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_api.live.online.EVERY_S", 0.02)
    query, failures = store.query, [StoreError("store_unreachable", "Away.")] * 3

    async def failing(sql: str, parameters: Any = None) -> list[dict[str, Any]]:
        if failures:
            raise failures.pop()
        return await query(sql, parameters)

    monkeypatch.setattr(store, "query", failing)
    async with listening(url, bearer("read")) as events:
        assert (await events.next()).kind == "online"
    assert not failures
