"""A group that is behind and does not move has stalled; one that works is merely behind."""

from __future__ import annotations

import uuid

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from loopin_streams.kafka.lag import Lag, Stall, group_lag
from tests.streams.conftest import Broker


def test_behind_without_a_commit_for_the_limit_is_stalled() -> None:
    now = 0.0
    stall = Stall(30.0, clock=lambda: now)
    assert not stall.stalled(Lag(committed=5, behind=10))
    now = 30.0
    assert not stall.stalled(Lag(committed=5, behind=12))
    now = 31.0
    assert stall.stalled(Lag(committed=5, behind=12))
    assert not stall.stalled(Lag(committed=6, behind=11)), "it moves again"


def test_a_group_that_has_nothing_to_do_never_stalls() -> None:
    now = 0.0
    stall = Stall(30.0, clock=lambda: now)
    assert not stall.stalled(Lag(committed=5, behind=0))
    now = 1000.0
    assert not stall.stalled(Lag(committed=5, behind=0))
    now = 1020.0
    assert not stall.stalled(Lag(committed=5, behind=3)), "it has only just got something to do"


def test_lag_is_what_the_group_has_not_committed(kafka: Broker, topic_prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    topic, group = f"{topic_prefix}lagging", f"{topic_prefix}{uuid.uuid4().hex}"
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(10)
    producer = Producer({"bootstrap.servers": kafka.bootstrap})
    for number in range(10):
        producer.produce(topic, b"x", partition=number % 2)
    producer.flush(10)
    assert group_lag(admin, group, topic, 2) == Lag(committed=0, behind=10)
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": group})
    consumer.commit(offsets=[TopicPartition(topic, 0, 3), TopicPartition(topic, 1, 5)], asynchronous=False)
    consumer.close()
    assert group_lag(admin, group, topic, 2) == Lag(committed=8, behind=2)


def test_a_broker_that_is_away_says_nothing() -> None:
    admin = AdminClient({"bootstrap.servers": "127.0.0.1:1", "log_level": 0, "socket.timeout.ms": 200})
    assert group_lag(admin, "group", "topic", 1) is None
