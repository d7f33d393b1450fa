"""Persons through a real broker and workers that are killed: each request is decided once, in one order."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from loopin_streams.identity.journal import (
    ask_to_unmerge,
    decision_on,
    merge_of,
    newest_merges,
    person_of,
)
from tests.streams.conftest import Run, Scenario
from tests.streams.identity.plain import Joined, Plain
from tests.streams.installation import Installation, wait_until

PROJECT = "demo"
IDS = [f"id{number}" for number in range(24)]
NAMES = {"$identify": "$anon_distinct_id", "$create_alias": "alias", "$merge_dangerously": "alias"}
KINDS = {"$identify": "identify", "$create_alias": "alias", "$merge_dangerously": "merge"}


def identity_events(number: int, seed: int) -> list[tuple[str, bytes]]:
    """Events of which a good part says something of identity, each with a uuid of its own."""
    dice = random.Random(seed)
    bodies = []
    for _ in range(number):
        user = dice.choice(IDS)
        event = dice.choice([*NAMES, "click", "click"])
        properties = {NAMES[event]: dice.choice(IDS)} if event in NAMES else {}
        body = {
            "project": PROJECT,
            "event": event,
            "distinct_id": user,
            "uuid": str(uuid.uuid4()),
            "properties": properties,
        }
        bodies.append((user, json.dumps(body).encode()))
    return bodies


def _read(installation: Installation, topic: str) -> list[dict[str, Any]]:
    """A topic of one partition, whose other partition does not exist."""
    found = installation.read_one(topic)
    return [json.loads(message.value() or b"null") for message in found]


def _decided(installation: Installation) -> int:
    markers = [
        json.loads(message.value() or b"")
        for message in installation.read_one("identity.state")
        if message.key() == b"m"
    ]
    return int(markers[-1]["position"]) if markers else 0


def assert_persons(installation: Installation, events: int) -> None:
    """Every event that says something asked once, and the journal is what a plain computation gives."""
    installation.wait_absorbed(events)
    raw = [json.loads(m.value() or b"") for part in installation.read("events.raw") for m in part]
    asking = {each["uuid"] for each in raw if each["event"] in NAMES}
    requests = _read(installation, "identity.links")
    assert len(requests) == len(asking)
    assert {request["event_uuid"] for request in requests} == asking
    last = installation.read_one("identity.links")[-1].offset() or 0
    wait_until(lambda: _decided(installation) > last, "all requests are decided")
    plain = Plain()
    expected = []
    for request in requests:
        other = request.get("other", request["distinct_id"])
        link = Joined(request["id"], PROJECT, request["distinct_id"], other)
        outcome = plain.ask(link, request["kind"])
        if outcome is not None:
            expected.append((request["event_uuid"], outcome))
    journal = _read(installation, "person.merges")
    assert [(one["event_uuid"], one.get("reason", one["outcome"])) for one in journal] == expected
    newest: dict[bytes, bytes | None] = {}
    for message in installation.read_one("persons"):
        newest[message.key() or b""] = message.value()
    persons = [json.loads(value) for value in newest.values() if value is not None]
    found = {
        each: (person["distinct_ids"][0], frozenset(person["distinct_ids"]))
        for person in persons
        for each in person["distinct_ids"]
    }
    assert sum(len(person["distinct_ids"]) for person in persons) == len(found)
    for each in IDS:
        assert found.get(each, (each, frozenset({each}))) == plain.person(PROJECT, each)


@dataclass(frozen=True)
class Killed:
    """A worker is killed with -9 at the ``passing``-th passing of ``point``; a fresh one does the rest."""

    point: str
    passing: int

    def __call__(self, installation: Installation) -> None:
        installation.publish(identity_events(400, seed=self.passing))
        killed = installation.start(point=self.point, passing=self.passing, max_events=20)
        assert killed.wait() == -signal.SIGKILL
        installation.start()
        installation.publish(identity_events(100, seed=99))
        assert_persons(installation, 500)


KILLED = (
    Killed("sent:identity.links", 3),
    Killed("sent:persons", 1),
    Killed("sent:persons", 3),
    Killed("sent:person.merges", 2),
    Killed("sent:identity.state", 1),
    Killed("sent:identity.state", 3),
)


@pytest.mark.parametrize("scenario", KILLED, ids=lambda at: f"{at.point}-{at.passing}")
def test_a_kill_at_any_point_decides_everything_once(side_by_side: Run, scenario: Killed) -> None:
    side_by_side(scenario)


def undone(installation: Installation) -> None:
    """A merge is undone by a worker, as the command asks it to, and found by who looks from outside."""

    def event(name: str, user: str, **properties: str) -> tuple[str, bytes]:
        body = {"project": PROJECT, "event": name, "distinct_id": user, "properties": properties}
        return user, json.dumps(body).encode()

    settings = installation.settings
    worker = installation.start()
    installation.publish([event("$identify", "u", **{"$anon_distinct_id": "a"})])
    wait_until(lambda: installation.read_one("person.merges"), "the merge is journaled")
    installation.publish([event("$create_alias", "v", alias="u"), event("$create_alias", "u", alias="b")])
    wait_until(lambda: len(installation.read_one("person.merges")) == 3, "the others are, too")

    async def go() -> None:
        found = await newest_merges(settings, limit=10)
        assert {(one.distinct_id, one.other) for one in found} == {("u", "a"), ("u", "b")}
        [refused] = await newest_merges(settings, outcomes=("refused",), limit=10)
        assert (refused.distinct_id, refused.other, refused.reason) == ("v", "u", "already_identified")
        assert await newest_merges(settings, project="shop", limit=10) == []
        person = await person_of(settings, PROJECT, "a")
        assert person is not None
        assert sorted(person.distinct_ids) == ["a", "b", "u"]
        merge = next(one for one in found if one.other == "a")
        assert await merge_of(settings, merge.id) == merge
        offset = await ask_to_unmerge(settings, merge)
        async with asyncio.timeout(60):
            decided = await decision_on(settings, offset)
            while decided is None:
                await asyncio.sleep(0.05)
                decided = await decision_on(settings, offset)
        assert (decided.id, decided.outcome, decided.moved) == (merge.id, "unmerged", ["a"])
        assert [one.outcome for one in await newest_merges(settings, limit=10)] == ["unmerged", "merged"]
        alone = await person_of(settings, PROJECT, "a")
        assert alone is not None
        assert alone.distinct_ids == ["a"]
        assert await person_of(settings, PROJECT, "never seen") is None
        assert len(await newest_merges(settings, limit=1, distinct_ids=["b"])) == 1

    asyncio.run(go())
    assert not worker.ended


@pytest.mark.parametrize("scenario", [undone], ids=["undone"])
def test_a_merge_is_undone(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
