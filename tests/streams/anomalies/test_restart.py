"""Anomalies of a world through the enrichment, whole and with new beginnings: the same, and none twice."""

from __future__ import annotations

import json

import pytest

from loopin_schemas.codec import encode
from tests.evaluate.planted import Planter
from tests.producers.simulator.worlds import live_through, parameters
from tests.streams.one_partition import OnePartition, Sent

DAYS = 34
BATCH = 300


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    world = live_through(parameters(users=40, days=DAYS, seed=33))
    planter = Planter("1")
    people = (event for event in world.events if not event["distinct_id"].startswith("bot"))
    events = [each for event in people for each in planter.through(event)]
    found = []
    for at, event in enumerate(events):
        body = json.dumps({**event, "uuid": f"01a2b3c4-0000-7000-8000-{at:012x}"}).encode()
        found.append(Sent(at, event["timestamp"] + 20, f"demo:{event['distinct_id']}".encode(), body))
    return found


@pytest.fixture(scope="module")
def passed(sent: list[Sent]) -> OnePartition:
    found = OnePartition()
    found.run(sent, batch=BATCH)
    return found


def test_anomalies_are_told_with_the_event_that_raised_them(sent: list[Sent], passed: OnePartition) -> None:
    assert len(passed.anomalies) >= 10
    assert len({one.kind for one in passed.anomalies}) >= 3
    for one in passed.anomalies:
        event = json.loads(sent[one.raw_offset].value)
        assert event["distinct_id"] == one.distinct_id
        if one.kind != "sudden_inactivity":
            assert (event["timestamp"], event["event"]) == (one.at, one.event_name)
    assert sum(passed.counts.anomalies.values()) == len(passed.anomalies)


@pytest.mark.parametrize("again", [3, 50])
def test_a_worker_that_begins_again_tells_the_same_and_nothing_twice(
    sent: list[Sent], passed: OnePartition, again: int
) -> None:
    other = OnePartition()
    other.run(sent, batch=BATCH, again=again)
    assert other.anomalies == passed.anomalies
    assert other.examples == passed.examples
    assert other.written["profiles"] == passed.written["profiles"]
    once = {(one.distinct_id, one.kind, one.at) for one in passed.anomalies}
    assert len(once) == len(passed.anomalies)
    assert encode(other.counts) == encode(passed.counts)
