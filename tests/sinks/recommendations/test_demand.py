"""Who has joined what is counted by persons, and whoever left is not counted."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.recommendations.read import demand, wanted
from loopin_sinks.recommendations.recent import COMMUNITIES, EVENTS, Kind
from loopin_sinks.recommendations.recommend import recommended_communities, recommended_events
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, link, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
DAY = timedelta(days=1)
ITEMS = [f"item-{n}" for n in range(4)]
NUMBER = {item: at for at, item in enumerate(ITEMS)}
PERSON = {"ann-phone": "ann", "ann-work": "ann", "bob-phone": "bob"}
USERS = ["ann", *PERSON, "bob", "cleo", "dan"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("demand"), migrated) as store:
        yield store


def drawn(kind: Kind, seed: int) -> list[Done]:
    """Anything people may do to items, at any minute of 40 days, no two things at the same."""
    dice = random.Random(seed)
    minutes = dice.sample(range(1, 40 * 1440), 600)
    names = [kind.takes[0], kind.takes[0], kind.left, *kind.looks]
    return [
        Done(
            dice.choice(USERS),
            dice.choice(names),
            NOW - timedelta(minutes=ago),
            {kind.property: dice.choice(ITEMS)},
        )
        for ago in minutes
    ]


def counted(kind: Kind, done: list[Done], at: datetime) -> tuple[list[int], list[int]]:
    """How many persons have looked at each item by a time, and how many are in, in plain loops."""
    looked: dict[str, set[str]] = {item: set() for item in ITEMS}
    inside: dict[str, set[str]] = {item: set() for item in ITEMS}
    for one in sorted(done, key=lambda one: one.at):
        item, person = one.properties[kind.property], PERSON.get(one.user, one.user)
        if one.at >= at:
            break
        if one.event in kind.looks:
            looked[item].add(person)
        elif one.event == kind.takes[0]:
            inside[item].add(person)
        else:
            inside[item].discard(person)
    return [len(looked[item]) for item in ITEMS], [len(inside[item]) for item in ITEMS]


@pytest.mark.parametrize(("project", "kind"), [("events", EVENTS), ("communities", COMMUNITIES)])
async def test_people_are_counted_by_what_they_did_last(store: Store, project: str, kind: Kind) -> None:
    done = drawn(kind, 3)
    await put(store, done, project)
    await link(store, list(PERSON.items()), project)
    scope = Scope(project=project, zone=UTC, now=NOW)
    found = await demand(store, scope, kind, NUMBER)
    for days in range(0, 41, 4):
        looks, takes = found.before(epoch_ms(NOW - days * DAY), len(ITEMS))
        assert (looks.tolist(), takes.tolist()) == counted(kind, done, NOW - days * DAY), days
    assert found.known(epoch_ms(NOW), len(ITEMS)).all()
    assert not found.known(epoch_ms(NOW - 41 * DAY), len(ITEMS)).any()
    looks, takes = await wanted(store, scope, kind, NUMBER)
    assert (looks.tolist(), takes.tolist()) == counted(kind, done, NOW)
    assert max(takes) < len(USERS)


async def test_one_who_comes_and_goes_nine_times_has_not_joined(store: Store) -> None:
    starts = (NOW + 5 * DAY).isoformat()
    party = {"event_id": "party", "capacity": 10, "starts_at": starts}
    done = [Done("host", "event_created", NOW - 2 * DAY, party)]
    for kind, item in ((EVENTS, "party"), (COMMUNITIES, "club")):
        for n in range(9):
            at = NOW - DAY + timedelta(hours=n)
            done.append(Done("ann", kind.takes[0], at, {kind.property: item}))
            done.append(Done("ann", kind.left, at + timedelta(minutes=5), {kind.property: item}))
        # Bob joins by two of his ids.
        done += [Done(id, kind.takes[0], NOW - DAY, {kind.property: item}) for id in ("bob", "bob-phone")]
    await put(store, done, "restless")
    scope = Scope(project="restless", zone=UTC, now=NOW)
    for people, links in ((2, []), (1, [("bob-phone", "bob")])):
        await link(store, links, "restless")
        said = "2 have joined." if people == 2 else "1 has joined."
        [event] = (await recommended_events(Shared(store), scope, "new", 10)).items
        assert said in event.why
        [community] = (await recommended_communities(Shared(store), scope, "new", 10)).items
        assert community.why == (said,)
