"""What the broker is asked of its logs, against what another client has put there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from types import SimpleNamespace

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_streams.kafka import logs as logs_module
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.logs import Dated, Logs
from tests.streams.conftest import Broker
from tests.streams.kafka.new_topic import new_topic
from tests.transactions import Out, Transactions

LONG_AGO_MS = 1_600_000_000_000

MakeTopic = Callable[[int], str]


@pytest.fixture
def make_topic(kafka: Broker, topic_prefix: str) -> MakeTopic:
    """Makes a topic whose records carry their producer's time."""

    return partial(new_topic, kafka.bootstrap, topic_prefix)


@pytest.fixture
def logs(kafka: Broker) -> Iterator[Logs]:
    logs = Logs(kafka.bootstrap)
    yield logs
    logs.close()


def produce(kafka: Broker, topic: str, partition: int, times_ms: list[int]) -> None:
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number, at in enumerate(times_ms):
        producer.produce(topic, b"%d" % number, partition=partition, timestamp=at)
    assert producer.flush(60) == 0


async def test_the_next_record_from_a_position_on_with_its_time(
    kafka: Broker, logs: Logs, make_topic: MakeTopic
) -> None:
    topic = make_topic(3)
    produce(kafka, topic, 0, [LONG_AGO_MS + 10 * number for number in range(500)])
    produce(kafka, topic, 1, [LONG_AGO_MS])

    found = await logs.next_records({(topic, 0): 321, (topic, 1): 1, (topic, 2): 0})

    assert found == {
        (topic, 0): Dated(321, LONG_AGO_MS + 3210, b"321"),
        (topic, 1): None,
        (topic, 2): None,
    }
    assert await logs.ends([(topic, 0), (topic, 1), (topic, 2)]) == {
        (topic, 0): 500,
        (topic, 1): 1,
        (topic, 2): 0,
    }
    assert await logs.partitions(topic) == 3


async def test_aborted_records_and_transaction_markers_are_no_records(
    kafka: Broker, logs: Logs, make_topic: MakeTopic
) -> None:
    topic = make_topic(1)
    writer = Transactions(kafka.bootstrap, topic)
    writer.begin([Out(topic, 0, None, b"aborted")])
    writer.abort()
    writer.write([Out(topic, 0, None, b"kept")])

    found = await logs.next_records({(topic, 0): 0})

    # Offset 0 is the aborted record, 1 its marker, 3 the marker of what was kept.
    first = found[topic, 0]
    assert first is not None
    assert (first.offset, first.value) == (2, b"kept")
    assert await logs.ends([(topic, 0)]) == {(topic, 0): 4}
    assert await logs.next_records({(topic, 0): 3}) == {(topic, 0): None}


async def test_an_open_transaction_is_not_there_yet(kafka: Broker, logs: Logs, make_topic: MakeTopic) -> None:
    topic = make_topic(1)
    writer = Transactions(kafka.bootstrap, topic)
    writer.begin([Out(topic, 0, None, b"open")])

    assert await logs.ends([(topic, 0)]) == {(topic, 0): 0}
    assert await logs.next_records({(topic, 0): 0}) == {(topic, 0): None}
    writer.abort()


async def test_starts_are_where_retention_has_come_to(
    kafka: Broker, logs: Logs, make_topic: MakeTopic
) -> None:
    topic = make_topic(2)
    produce(kafka, topic, 0, [LONG_AGO_MS] * 10)
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    at = TopicPartition(topic, 0, 7)
    admin.delete_records([at])[at].result(60)

    assert await logs.starts([(topic, 0), (topic, 1)]) == {(topic, 0): 7, (topic, 1): 0}
    first = (await logs.next_records({(topic, 0): 3}))[topic, 0]
    assert first is not None
    assert first.offset == 7, "what was removed does not wait"


async def test_what_a_group_has_committed(kafka: Broker, logs: Logs, make_topic: MakeTopic) -> None:
    topic = make_topic(2)
    group = f"{topic}-group"
    assert await logs.committed(group, topic) == {}
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 1, 5)], asynchronous=False)
    consumer.close()
    assert await logs.committed(group, topic) == {1: 5}


async def test_a_broker_that_is_away_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_module, "TIMEOUT_S", 0.2)
    monkeypatch.setattr("loopin_streams.kafka.progress.TIMEOUT_S", 0.2)
    logs = Logs("127.0.0.1:1")
    began = time.monotonic()
    for question in (
        logs.ends([("topic", 0)]),
        logs.next_records({("topic", 0): 0}),
        logs.committed("group", "topic"),
        logs.partitions("topic"),
    ):
        with pytest.raises(BrokerUnreachable, match="No Kafka broker answers at 127.0.0.1:1: start it"):
            await question
    logs.close()
    assert time.monotonic() - began < 30, "nothing waits for longer than it was told"


async def test_a_client_that_knows_an_old_leader_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a broker has hung for a while, librdkafka gets this answer for ever and does not ask anew."""
    made: list[Client] = []

    class Client:
        def __init__(self, _: object) -> None:
            made.append(self)

        def offsets_for_times(self, asked: list[TopicPartition], timeout: float) -> list[SimpleNamespace]:
            error = KafkaError(KafkaError.FENCED_LEADER_EPOCH) if len(made) == 1 else None
            return [SimpleNamespace(topic=at.topic, partition=0, offset=7, error=error) for at in asked]

        def close(self) -> None:
            pass

    monkeypatch.setattr(logs_module, "Consumer", Client)
    logs = Logs("127.0.0.1:1")
    assert await logs.ends([("topic", 0)]) == {("topic", 0): 7}
    assert await logs.ends([("topic", 0)]) == {("topic", 0): 7}
    assert len(made) == 2
    logs.close()


async def test_a_topic_that_is_not_there_is_another_sentence(logs: Logs, topic_prefix: str) -> None:
    with pytest.raises(BrokerRefused, match=r"The Kafka broker refused: .*[Uu]nknown topic"):
        await logs.partitions(f"{topic_prefix}nowhere")
