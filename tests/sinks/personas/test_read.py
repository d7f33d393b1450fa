"""What is read of the store against a plain count of the same events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.personas.activity import BY_HAND, DAYS, GROUPS
from loopin_sinks.personas.read import activity
from loopin_sinks.personas.run import LEAST_ASSIGNED
from loopin_sinks.store import Store
from tests.migrated import migrated_store
from tests.sinks.personas.stored_events import Done, link, put

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOW = datetime.now(UTC).replace(microsecond=0)
SCOPE = Scope(project="shop", zone=UTC, now=NOW, internal=["colleague"])
NAMES = sorted({name for names in GROUPS.values() for name in names} | {"$pageview", "api_request", "own"})


def drawn() -> list[Done]:
    dice = random.Random(4)
    found = []
    for user in ("a", "b", "b-phone", "few", "colleague"):
        for _ in range(LEAST_ASSIGNED - 1 if user == "few" else 150):
            at = NOW - timedelta(seconds=dice.randint(1, (DAYS + 10) * 86_400))
            city = dice.choice(["Pune", "Pune", "Mumbai"])
            found.append(Done(user, dice.choice(NAMES), at, {"country": "IN", "city": city}))
    return found


DONE = drawn()
MACHINE = [
    Done("machine", event, NOW - timedelta(minutes=n))
    for n in range(1, 99)
    for event in ("api_request", "beat")
]
SERVER = [Done("server", "system_metric", NOW - timedelta(minutes=n)) for n in range(1, 99)]
BOT = [Done("bot", "$pageview", NOW - timedelta(minutes=n), {"$is_bot": True}) for n in range(1, 99)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def store(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("activity"), migrated) as store:
        await put(
            store, [*DONE, *BOT, *MACHINE, *SERVER, Done("server", "$pageview", NOW - timedelta(hours=1))]
        )
        await put(store, [Done("a", "$pageview", NOW - timedelta(minutes=n)) for n in range(1, 99)], "other")
        await link(store, [("b-phone", "b")])
        yield store


async def test_all_that_persons_did_in_the_days_is_counted(store: Store) -> None:
    found = await activity(store, SCOPE)

    persons = {"a": {"a"}, "b": {"b", "b-phone"}}
    assert sorted(found.users) == ["a", "b"]
    for at, user in enumerate(found.users):
        mine = [
            one for one in DONE if one.user in persons[user] and NOW - timedelta(days=DAYS) <= one.at < NOW
        ]
        names = Counter(one.event for one in mine)
        assert found.events[at] == len(mine) - names["api_request"] > 0
        assert found.counts[at].tolist() == [sum(names[n] for n in group) for group in GROUPS.values()]
        hours = {one.at.replace(minute=0, second=0) for one in mine if one.event in BY_HAND}
        expected = np.bincount([hour.hour for hour in hours], minlength=24)
        assert found.hours[at].tolist() == expected.tolist()
        assert found.places[at] == "IN/Pune"


async def test_a_project_without_events_has_nobody(store: Store) -> None:
    found = await activity(store, Scope(project="none", zone=UTC, now=NOW))
    assert len(found) == 0
    assert found.hours.shape == (0, 24)
