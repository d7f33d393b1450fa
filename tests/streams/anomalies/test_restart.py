"""Anomalies of a world through the enrichment, whole and with new beginnings: the same, and none twice."""

from __future__ import annotations

import json
import random
from itertools import count, islice
from zlib import crc32

import pytest

from loopin_schemas.codec import encode
from loopin_streams.anomalies.cap import MOST
from loopin_streams.learning.sweep import MINUTES
from tests.streams.anomalies.following import DAY, SECOND, T
from tests.streams.anomalies.planted_log import planted_log
from tests.streams.one_partition import OnePartition, Sent, record

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


def of_one_minute() -> list[Sent]:
    """Many users who have their turn at once come each day, in another order each, until all fall silent."""
    keys = (f"user-{number}" for number in count())
    users = list(islice((user for user in keys if not crc32(f"demo:{user}".encode()) % MINUTES), MOST + 9))
    dice = random.Random(7)
    found: list[Sent] = []
    for day in range(42):
        dice.shuffle(users)
        for place, user in enumerate(users if day < 20 else ["clock"] * 35):
            at = T + day * DAY + place * SECOND
            event = {"project": "demo", "event": "message_sent", "distinct_id": user, "timestamp": at}
            found.append(record(len(found), {**event, "properties": {}}))
    return found


@pytest.mark.parametrize("again", [1, 2, 3, 7])
def test_users_of_one_minute_have_their_turns_in_the_same_order_wherever_a_worker_begins(again: int) -> None:
    once, other = OnePartition(), OnePartition()
    once.run(of_one_minute(), batch=35)
    other.run(of_one_minute(), batch=35, again=again)
    silent = [one.distinct_id for one in once.anomalies if one.kind == "sudden_inactivity"]
    assert len(silent) == MOST + 9
    assert once.counts.withheld["sudden_inactivity"] > 0
    assert {one.target for one in once.examples} >= {"churn", "conversion"}
    assert other.anomalies == once.anomalies
    assert other.examples == once.examples
    assert other.profiles == once.profiles
    assert other.counts.withheld == once.counts.withheld
