"""Anomalies of a world through the enrichment, whole and with new beginnings: the same, and none twice."""

from __future__ import annotations

import json

import pytest

from loopin_schemas.codec import encode
from tests.streams.anomalies.planted_log import planted_log
from tests.streams.one_partition import OnePartition, Sent

BATCH = 300


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return planted_log()


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
