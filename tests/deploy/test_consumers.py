"""How far consumers are behind, from outside, by what their groups have committed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from loopin_deploy.consumers import watch_from_broker
from loopin_deploy.kafka import LocalKafka
from loopin_streams.kafka.lag import Lag
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicAdmin

AN_HOUR_MS = 3_600_000


@pytest.fixture
def settings(kafka: LocalKafka, topic_prefix: str) -> KafkaSettings:
    settings = KafkaSettings(kafka_bootstrap=kafka.bootstrap, topic_prefix=topic_prefix, partitions=2)
    TopicAdmin(settings).apply()
    return settings


@pytest.fixture
def logs(kafka: LocalKafka) -> Iterator[Logs]:
    logs = Logs(kafka.bootstrap)
    yield logs
    logs.close()


def produce(settings: KafkaSettings, topic: str, bodies: list[bytes], at_ms: int) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap})
    for number, body in enumerate(bodies):
        producer.produce(settings.topic(topic), body, partition=number % 2, timestamp=at_ms)
    assert producer.flush(60) == 0


def commit(settings: KafkaSettings, group: str, topic: str, offsets: dict[int, int]) -> None:
    consumer = Consumer({"bootstrap.servers": settings.kafka_bootstrap, "group.id": settings.topic(group)})
    full = settings.topic(topic)
    consumer.commit(
        offsets=[TopicPartition(full, number, offset) for number, offset in offsets.items()],
        asynchronous=False,
    )
    consumer.close()


async def test_each_consumer_is_behind_by_what_it_has_not_committed(
    settings: KafkaSettings, logs: Logs
) -> None:
    now_ms = int(time.time() * 1000)
    old = json.dumps({"received_at": now_ms - AN_HOUR_MS}).encode()
    produce(settings, "events.enriched", [old] * 10, now_ms - 500_000)
    produce(settings, "metrics", [b"{}"] * 4, now_ms - 20_000)
    commit(settings, "clickhouse", "events.enriched", {0: 5, 1: 3})
    commit(settings, "clickhouse-metrics", "metrics", {0: 2, 1: 2})

    watch = watch_from_broker(settings, logs)
    await watch.look()

    sink = ("events", "metric_windows", "person_merges", "profiles", "config_history", "alerts", "anomalies")
    assert watch.consumers == ("enrich", "merge", "identity", "train", *sink)
    assert watch.lag("enrich") == watch.lag("merge") == watch.lag("metric_windows") == Lag()
    lag = watch.lag("events")
    assert lag is not None
    assert lag.events == 2
    assert lag.seconds == pytest.approx(500, abs=30)
    assert lag.received_s == pytest.approx(3600, abs=30), "the event in the record is an hour old"
    assert watch.unready(["enrich"]) is None
    assert "2 records wait" in (watch.unready() or "")


async def test_before_anything_is_committed_all_that_is_kept_waits(
    settings: KafkaSettings, logs: Logs
) -> None:
    produce(settings, "metrics", [b"{}"] * 6, int(time.time() * 1000))
    watch = watch_from_broker(settings, logs)
    await watch.look()
    lag = watch.lag("metric_windows")
    assert lag is not None
    assert lag.events == 6
