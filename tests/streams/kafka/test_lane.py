"""The lane: what Faust sees of a batch, and which fetches reach the runner."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Producer
from faust.types import TP

from loopin_streams.kafka.batch import Batch
from loopin_streams.kafka.lane import LaneSchema, _batches
from tests.streams.conftest import Run, Scenario
from tests.streams.exactly_once import assert_exactly_once, event, mixed_events
from tests.streams.installation import Installation

AT = TP("t", 0)


class FakeConsumer:
    """As much of aiokafka's consumer as says where it stands."""

    def __init__(self, position: int | None) -> None:
        state = None
        if position is not None:
            state = SimpleNamespace(has_valid_position=True, _position=position)
        assignment = SimpleNamespace(state_value=lambda _: state)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))


def delivered(target: Any, start: int, position: int | None, records: Any) -> list[Batch]:
    """The batches handed to Faust after a fetch from ``start`` that left the consumer at ``position``."""
    found = dict(_batches(FakeConsumer(position), {AT: (target, start)}, {AT: records} if records else {}))
    return [message.value[1] for messages in found.values() for message in messages]


def test_the_schema_hands_key_and_value_over_untouched() -> None:
    schema, message = LaneSchema(), SimpleNamespace(key=b"k", value=object())
    assert schema.loads_key(None, message) == b"k"
    assert schema.loads_value(None, message) is message.value


def test_a_fetch_becomes_one_batch_up_to_the_position() -> None:
    target = SimpleNamespace(fetched=5)
    records: Any = [object(), object()]
    assert delivered(target, 5, 9, records) == [Batch("t", 0, 5, 9, records)]
    assert target.fetched == 9


def test_passed_transaction_markers_are_a_batch_without_records() -> None:
    target = SimpleNamespace(fetched=5)
    assert delivered(target, 5, 6, []) == [Batch("t", 0, 5, 6, ())]


def test_an_empty_fetch_is_no_batch() -> None:
    target = SimpleNamespace(fetched=5)
    assert delivered(target, 5, 5, []) == []
    assert delivered(target, 5, None, []) == []
    assert target.fetched == 5


def test_a_fetch_during_which_the_target_was_set_back_is_dropped() -> None:
    target = SimpleNamespace(fetched=3)
    assert delivered(target, 5, 9, [5, 6, 7]) == []
    assert target.fetched == 3


def order_within_each_partition_is_kept(installation: Installation) -> None:
    bodies = [(f"u{at % 9}", event(f"u{at % 9}", properties={"at": at})) for at in range(3000)]
    installation.publish(bodies)
    installation.start(max_events=70, linger_s=0.001)
    installation.wait_absorbed(len(bodies))
    found = installation.read_all()
    assert_exactly_once(found)
    for partition in found.enriched:
        for user in {each["distinct_id"] for each in partition}:
            numbers = [each["properties"]["at"] for each in partition if each["distinct_id"] == user]
            assert numbers == [at for at in range(3000) if f"u{at % 9}" == user]


def publish_transactions(installation: Installation) -> None:
    """Committed and aborted transactions in both partitions, the last one aborted."""
    producer = Producer(
        {
            "bootstrap.servers": installation.settings.kafka_bootstrap,
            "transactional.id": f"{installation.settings.topic_prefix}client",
        }
    )
    producer.init_transactions(20)
    for round_, commit in enumerate((True, False, True, False)):
        producer.begin_transaction()
        for at in range(50):
            producer.produce(
                installation.settings.topic("events.raw"),
                event(f"u{round_}", properties={"round": round_, "at": at}),
                partition=at % 2,
            )
        producer.flush(20)
        if commit:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)


def aborted_records_and_transaction_markers_are_passed_over(installation: Installation) -> None:
    publish_transactions(installation)
    installation.start()
    # Two transactions of 25 records and a marker each, and two aborted ones, in each partition.
    end = 4 * (25 + 1)
    installation.wait_position(end)
    found = installation.read_all()
    assert_exactly_once(found)
    rounds = [each["properties"]["round"] for partition in found.enriched for each in partition]
    assert (len(rounds), set(rounds)) == (100, {0, 2})
    assert [markers[-1]["position"] for markers in found.state] == [end, end]


def a_restart_behind_aborted_records_goes_on_after_them(installation: Installation) -> None:
    publish_transactions(installation)
    first = installation.start()
    installation.wait_position(4 * (25 + 1))
    assert first.terminate() == 0
    installation.publish(mixed_events(100))
    installation.start()
    installation.wait_absorbed(200)
    assert_exactly_once(installation.read_all())


@pytest.mark.parametrize(
    "scenario",
    [
        order_within_each_partition_is_kept,
        aborted_records_and_transaction_markers_are_passed_over,
        a_restart_behind_aborted_records_goes_on_after_them,
    ],
    ids=lambda scenario: scenario.__name__,
)
def test_on_the_broker(side_by_side: Run, scenario: Scenario) -> None:
    side_by_side(scenario)
