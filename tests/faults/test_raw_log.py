"""What may be on the raw log, on logs of two partitions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.faults.compare import Differences
from tests.faults.load import Record, partition_of
from tests.faults.oracle import Place, RawRecord, expected
from tests.faults.poison import Refused
from tests.faults.raw_log import compare_raw

NOON = 1_790_000_000_000
RIGHT = partition_of(b"p:u", 2)
WRONG = 1 - RIGHT


def body(**changes: Any) -> bytes:
    event = {"project": "p", "event": "click", "distinct_id": "u", "timestamp": NOON, "properties": {"n": 1}}
    return json.dumps({name: v for name, v in (event | changes).items() if v is not None}).encode()


def differences(
    sent: Sequence[bytes], raw: Sequence[RawRecord], added: Sequence[Place] = (), **more: Any
) -> Differences:
    """The published records are the first of the log."""
    records = [Record(b"p:u", value, **more) for value in sent]
    placed = [(record.partition, record.offset) for record in raw[: len(sent)]]
    placed += [(WRONG, 99)] * (len(sent) - len(placed))
    return compare_raw(records, placed, raw, added=added, partitions=2)


def test_what_was_published_is_there_once() -> None:
    log = [RawRecord(RIGHT, 0, NOON, body())]

    assert differences([body()], log).none
    assert differences([body(), body()], log).lost == 1
    assert differences([body()], [*log, RawRecord(RIGHT, 1, NOON, body())]).double == 1
    assert differences([body()], [*log, RawRecord(RIGHT, 1, NOON, body())], [(RIGHT, 1)]).none


def test_what_the_broker_took_without_saying_so_counts_as_published() -> None:
    log = [RawRecord(RIGHT, 0, NOON, body())]

    assert compare_raw([Record(b"p:u", body())], [None], log, added=(), partitions=2).none
    assert compare_raw([Record(b"p:u", body())], [None], [], added=(), partitions=2).none


@pytest.mark.parametrize(
    ("sent", "moved"),
    [
        pytest.param(body(uuid="a"), body(uuid="a"), id="as it was"),
        pytest.param(body(), body(uuid="derived"), id="with an identity"),
        pytest.param(body(timestamp=None), body(timestamp=NOON + 5, uuid="d"), id="with its arrival"),
    ],
)
def test_a_misplaced_event_is_moved_once(sent: bytes, moved: bytes) -> None:
    misplaced, there = RawRecord(WRONG, 0, NOON + 5, sent), RawRecord(RIGHT, 0, NOON + 9, moved)

    assert differences([sent], [misplaced, there]).none
    assert differences([sent], [misplaced]).lost == 1
    assert differences([sent], [misplaced, there, there._replace(offset=1)]).double == 1


@pytest.mark.parametrize(
    "moved",
    [
        pytest.param(body(uuid="b"), id="another identity"),
        pytest.param(body(uuid="a", properties={"n": 2}), id="another property"),
        pytest.param(body(uuid="a", timestamp=NOON + 1), id="another time"),
        pytest.param(body(), id="none"),
        pytest.param(b"no event", id="no event"),
    ],
)
def test_a_moved_event_stays_as_it_is(moved: bytes) -> None:
    sent = body(uuid="a")

    found = differences([sent], [RawRecord(WRONG, 0, NOON, sent), RawRecord(RIGHT, 0, NOON, moved)])

    assert (found.lost, found.double) == (1, 1)


def test_a_broken_record_is_not_moved() -> None:
    broken = body(event=None)

    log = [RawRecord(WRONG, 0, NOON, broken)]
    assert differences([broken], log, poison=Refused("p", "missing_field")).none


def test_a_misplaced_event_counts_where_it_is_moved_to() -> None:
    sent = body(uuid="a")

    found = expected([RawRecord(WRONG, 0, NOON, sent), RawRecord(RIGHT, 0, NOON, sent)], {}, partitions=2)

    assert list(found.events) == [(RIGHT, 0)]
    [received] = [m for key, m in found.windows.items() if key[1:5] == ("records_received", "", "", "day")]
    assert received.count == 2
