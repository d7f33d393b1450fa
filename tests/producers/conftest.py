"""A topic for raw events, and a way to read back what was published to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 4


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


@pytest.fixture(autouse=True)
def spool_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where clients that name no other folder keep events; also of processes that a test starts."""
    folder = tmp_path / "spool"
    monkeypatch.setenv("LOOPIN_SPOOL_DIR", str(folder))
    return folder


ReadAll = Callable[[int], list[Message]]


@pytest.fixture
def raw_topic(kafka: Broker, topic_prefix: str) -> str:
    """The name of an empty ``events.raw`` with four partitions."""
    name = f"{topic_prefix}events.raw"
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topic = NewTopic(name, PARTITIONS, 1, config={"message.timestamp.type": "LogAppendTime"})
    admin.create_topics([topic])[name].result(30)
    return name


@pytest.fixture
def read_all(kafka: Broker, raw_topic: str) -> ReadAll:
    """``read_all(n)``: the topic's records once there are ``n``, and any that follow within 0.3 s."""

    def read(expected: int) -> list[Message]:
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused"})
        consumer.assign([TopicPartition(raw_topic, partition, 0) for partition in range(PARTITIONS)])
        records: list[Message] = []
        deadline = time.monotonic() + 180
        while len(records) < expected and time.monotonic() < deadline:
            records += consumer.consume(10_000, 0.2)
        records += consumer.consume(10_000, 0.3)
        consumer.close()
        assert not [record.error() for record in records if record.error()]
        return records

    return read
