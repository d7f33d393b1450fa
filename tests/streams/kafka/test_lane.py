"""The lane: what Faust sees of a batch, and which fetches reach the runner."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Producer
from faust.types import TP

from loopin_streams.enrich.steps.partition import partition_of
from loopin_streams.kafka.batch import Batch
from loopin_streams.kafka.lane import LaneApp, LaneSchema, _batches, _note_ends
from loopin_streams.kafka.partition import OpenPartition
from loopin_streams.kafka.settings import KafkaSettings
from tests.streams.conftest import Run, Scenario
from tests.streams.exactly_once import assert_exactly_once, event, mixed_events
from tests.streams.installation import Installation

AT = TP("t", 0)


class FakeConsumer:
    """As much of aiokafka's consumer as says where it stands."""

    def __init__(self, position: int | None, *, highwater: int | None = None, answered_ms: int = 0) -> None:
        state = None
        if position is not None:
            state = SimpleNamespace(
                has_valid_position=True, _position=position, highwater=highwater, timestamp=answered_ms
            )
        assignment = SimpleNamespace(state_value=lambda _: state)
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))


def delivered(target: Any, start: int, position: int | None, records: Any) -> list[Batch]:
    """The batches handed to Faust after a fetch from ``start`` that left the consumer at ``position``."""
    found = dict(_batches(FakeConsumer(position), {AT: (target, start)}, {AT: records} if records else {}))
    return [message.value[1] for messages in found.values() for message in messages]


def test_a_spare_worker_that_fetches_nothing_stays_in_the_group() -> None:
    # aiokafka leaves a group after so long without a fetch, and does not join again.
    runner: Any = SimpleNamespace(job=SimpleNamespace(name="enrich"))
    assert LaneApp(KafkaSettings(), runner).conf.broker_max_poll_interval > 365 * 86_400


def test_the_schema_hands_key_and_value_over_untouched() -> None:
    schema, message = LaneSchema(), SimpleNamespace(key=b"k", value=object())
    assert schema.loads_key(None, message) == b"k"
    assert schema.loads_value(None, message) is message.value


def test_a_fetch_becomes_one_batch_up_to_the_position() -> None:
    target = SimpleNamespace(fetched=5)
    records = [SimpleNamespace(value=value) for value in (b"ab", None)]
    [batch] = delivered(target, 5, 9, records)
    assert (batch.topic, batch.partition, batch.start, batch.end, batch.size) == ("t", 0, 5, 9, 2)
    assert batch.records is records
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


class Ends:
    """A partition that remembers what it is told of its log's end."""

    def __init__(self, fetched: int) -> None:
        self.fetched = fetched
        self.ends: list[tuple[int, int]] = []

    def at_end(self, end: int, answered_ms: int) -> None:
        self.ends.append((end, answered_ms))


@pytest.mark.parametrize(
    ("fetched", "highwater", "ends"),
    [(9, 9, [(9, 5)]), (10, 9, [(10, 5)]), (8, 9, []), (9, None, []), (0, 0, [(0, 5)])],
)
def test_the_end_of_the_log_is_where_all_the_broker_has_was_fetched(
    fetched: int, highwater: int | None, ends: list[tuple[int, int]]
) -> None:
    target = Ends(fetched)
    consumer: Any = FakeConsumer(fetched, highwater=highwater, answered_ms=5)
    _note_ends(consumer, {AT: (cast(OpenPartition, target), 3)})
    assert target.ends == ends


def test_of_a_partition_that_was_taken_away_meanwhile_no_end_is_known() -> None:
    target = Ends(9)
    consumer: Any = FakeConsumer(None)
    _note_ends(consumer, {AT: (cast(OpenPartition, target), 3)})
    assert target.ends == []


def order_within_each_partition_is_kept(installation: Installation) -> None:
    bodies = [(f"u{at % 9}", event(f"u{at % 9}", properties={"at": at})) for at in range(3000)]
    installation.publish(bodies)
    installation.start(max_events=70, linger_s=0.001)
    installation.wait_absorbed(len(bodies))
    found = installation.settled()
    assert_exactly_once(found)
    for partition in found.enriched:
        for user in {each["distinct_id"] for each in partition}:
            numbers = [each["properties"]["at"] for each in partition if each["distinct_id"] == user]
            assert numbers == [at for at in range(3000) if f"u{at % 9}" == user]


def user_of(partition: int, number: int) -> str:
    """Some user whose events belong into this of two partitions."""
    users = (f"u{number}.{at}" for at in range(100))
    return next(user for user in users if partition_of(f"demo:{user}".encode(), 2) == partition)


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
                event(user_of(at % 2, round_), properties={"round": round_, "at": at}),
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
    assert_exactly_once(installation.settled())


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
