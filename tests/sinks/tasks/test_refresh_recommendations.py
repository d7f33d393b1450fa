"""The task learns from weeks of a store, and keeps what it learned, and how good that was."""

from __future__ import annotations

import builtins
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.recommendations.learn import TOP
from loopin_sinks.recommendations.recommend import recommended_communities, recommended_events
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.recommendations.similar import similar_communities
from loopin_sinks.recommendations.stored import newest_model
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks.refresh_recommendations import RefreshArguments, refresh
from loopin_sinks.tasks.task import Context
from loopin_streams.kafka.config_state import Configuration
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
CITIES = ("Pune", "Delhi", "Berlin")
USERS = [f"user-{number}" for number in range(90)]
CITY = {user: CITIES[number % 3] for number, user in enumerate(USERS)}


def lived() -> list[Done]:
    """Six weeks in which people join what is in their city, and others make some of each week popular."""
    dice, found = random.Random(5), []
    for user in USERS:
        found.append(Done(user, "$pageview", NOW - 40 * DAY, {"city": CITY[user]}))
    for week in range(7):
        made = NOW - (6 - week) * 7 * DAY - timedelta(hours=2)
        for number in range(36):
            id, city = f"event-{week}-{number}", CITIES[number % 3]
            given = {"event_id": id, "host_id": f"host-{number}", "category": "c", "city": city, "price": 0}
            starts = round((made + 7 * DAY).timestamp() * 1000)
            found.append(Done(f"host-{number}", "event_created", made, {**given, "starts_at": starts}))
        for fan in range(12):
            at = made + timedelta(hours=1)
            joined = [{"event_id": f"event-{week}-{number}"} for number in range(12 - fan)]
            found += [Done(f"fan-{fan}", "event_joined", at, one) for one in joined]
        for user in USERS if week < 6 else ():
            mine = [n for n in range(36) if CITIES[n % 3] == CITY[user]]
            for number in dice.sample(mine, 2):
                at = made + timedelta(days=dice.randint(1, 6))
                found.append(Done(user, "event_joined", at, {"event_id": f"event-{week}-{number}"}))
    for number, user in enumerate(USERS):
        for one in dice.sample(range(3), 2):
            at = NOW - timedelta(days=dice.randint(1, 28))
            found.append(Done(user, "community_joined", at, {"community_id": f"club-{number % 3}-{one}"}))
    return found


LIVED = lived()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("learned"), migrated) as store:
        await put(store, LIVED)
        yield store


def scope(project: str = "shop", now: datetime = NOW) -> Scope:
    return Scope(project=project, zone=UTC, now=now)


def context(store: Store, *projects: str) -> Context:
    return Context(store, Configuration(), scope, lambda: NOW, RefreshArguments(projects=projects))


async def test_what_is_learned_is_kept_with_how_good_it_was(store: Store) -> None:
    before = await recommended_events(Shared(store), scope(), "user-0", 10)
    assert (before.ranker.learned, before.model) == (False, None)
    assert await refresh(context(store)) > 2

    model = await newest_model(store, "shop", "event", NOW)
    assert model is not None
    assert model.ranker.learned
    weights = dict(zip(model.ranker.signals, model.ranker.weights, strict=True))
    assert weights["place"] > 1
    # In plain loops: of the last week, popularity's.
    cutoff = NOW - 7 * DAY
    joins = Counter(
        one.properties["event_id"] for one in LIVED if one.event == "event_joined" and one.at < cutoff
    )
    starts = {
        one.properties["event_id"]: one.properties["starts_at"]
        for one in LIVED
        if one.event == "event_created" and one.at < cutoff
    }
    ids = [id for id, at in starts.items() if at > cutoff.timestamp() * 1000]
    joined: dict[str, dict[bool, set[str]]] = {user: {False: set(), True: set()} for user in USERS}
    for one in LIVED:
        if one.event == "event_joined" and one.user in joined:
            joined[one.user][one.at >= cutoff].add(one.properties["event_id"])
    shares = []
    for of in joined.values():
        taken = (of[True] - of[False]) & set(ids)
        if taken:
            free = [id for id in ids if id not in of[False]]
            best = sorted(free, key=lambda id: (-joins[id], ids.index(id)))[:TOP]
            shares.append(len(taken & set(best)) / TOP)
    assert model.judged_users == len(shares)
    assert model.popularity == pytest.approx(sum(shares) / len(shares), abs=0.01)  # some are equally popular
    assert model.precision is not None
    assert model.popularity is not None
    assert model.precision > 1.5 * model.popularity

    # And it is what ranks from then on.
    after = await recommended_events(Shared(store), scope(), "user-0", 12)
    assert after.ranker == model.ranker
    assert after.items
    places = {
        one.properties["event_id"]: one.properties["city"] for one in LIVED if one.event == "event_created"
    }
    of_city = [places[item.id] for item in after.items]
    assert of_city == sorted(of_city, key=lambda city: city != CITY["user-0"])


async def test_communities_that_share_members_are_near(store: Store) -> None:
    await refresh(context(store, "shop"))
    found = await similar_communities(store, scope(), "club-1-0", 10)
    assert found is not None
    assert {item.id for item in found} == {"club-1-1", "club-1-2"}
    assert all(0 < item.score <= 1 for item in found)
    for number, user in enumerate(USERS[:3]):
        first = (await recommended_communities(Shared(store), scope(), user, 10)).items[0]
        assert first.id.startswith(f"club-{number}")
    assert await similar_communities(store, scope(), "club-9-9", 10) is None


async def test_little_to_learn_from_leaves_weights_by_hand(store: Store) -> None:
    starts = round((NOW + DAY).timestamp() * 1000)
    await put(store, [Done("h", "event_created", NOW - DAY, {"event_id": "e", "starts_at": starts})], "small")
    assert await refresh(context(store, "small")) == 1
    model = await newest_model(store, "small", "event", NOW)
    assert model is not None
    assert (model.ranker.learned, model.precision, model.popularity) == (False, None, None)
    assert await newest_model(store, "small", "community", NOW) is None
    assert await refresh(context(store, "none")) == 0


async def test_without_what_learns_the_task_says_what_to_install(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("implicit"):
            raise ImportError(name)
        return known(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(StoreError, match="install loopin-analytics\\[models\\]"):
        await refresh(context(store))
