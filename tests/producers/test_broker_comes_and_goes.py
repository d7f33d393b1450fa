"""A real broker that is not there yet, comes, goes and comes back: each event once, each user's in order."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from loopin_producers import Loopin

TOPIC = "loopin.events.raw"
PARTITIONS = 4
USERS = 20
START_S = 300.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it does not happen"
        time.sleep(0.02)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalKafka]:
    """Not started."""
    made = LocalKafka(tmp_path / "kafka", port=free_port())
    yield made
    made.stop()


def turns(bootstrap: str, expected: int) -> dict[str, list[int]]:
    """By user, the events of the topic, in order."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused"})
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    found: dict[str, list[int]] = {}
    count = 0
    deadline = time.monotonic() + 120
    while count < expected and time.monotonic() < deadline:
        for record in consumer.consume(10_000, 0.2):
            assert record.error() is None
            body = json.loads(record.value() or b"")
            found.setdefault(body["distinct_id"], []).append(body["properties"]["n"])
            count += 1
    extra = consumer.consume(10, 0.5)
    consumer.close()
    assert count == expected
    assert not extra
    return found


@pytest.mark.scenario
def test_nothing_is_lost_and_order_holds(broker: LocalKafka) -> None:
    errors: list[str] = []
    client = Loopin(
        broker.bootstrap,
        "shop",
        max_queue_size=100,
        on_error=lambda error: errors.append(error.reason),
        config={"log_level": 0, "reconnect.backoff.max.ms": 500},
    )

    def capture(first: int, count: int) -> None:
        for number in range(first, first + count):
            client.capture("click", f"user-{number % USERS}", {"n": number})

    capture(0, 2000)
    until(lambda: client.stats().spooled == 2000)
    assert client.is_down
    broker.start(START_S)
    topic = NewTopic(TOPIC, PARTITIONS, 1)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    admin.create_topics([topic])[TOPIC].result(60)
    capture(2000, 500)
    until(lambda: client.flush(1) == 0)
    assert not client.is_down
    capture(2500, 100)
    until(lambda: client.flush(1) == 0)
    broker.stop()
    capture(2600, 400)
    until(lambda: client.is_down)
    broker.start(START_S)
    capture(3000, 200)
    assert client.shutdown(120) == 0
    assert errors == []
    assert client.stats() == (0, 3200, 0, 0, 0)
    found = turns(broker.bootstrap, 3200)
    assert found == {f"user-{user}": list(range(user, 3200, USERS)) for user in range(USERS)}
