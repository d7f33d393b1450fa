"""An installation's topic of windows."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from loopin_sinks.migrate import migrate
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.sinks.metrics.topic import Broker, Metrics


@pytest.fixture
async def metrics(
    kafka: Broker,
    topic_prefix: str,
    embedded: Store,
    embedded_settings: StoreSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> Metrics:
    monkeypatch.setattr("loopin_sinks.latest_sink.RETRY_S", 0.05)
    settings = SinkSettings.model_validate(
        {
            "kafka_bootstrap": kafka.bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": 2,
            "session_timeout_s": 6,
            "metric_interval_s": 0.05,
        }
    )
    admin = TopicAdmin(settings)
    admin.apply()
    await migrate(embedded, embedded_settings)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{topic_prefix}writer"})
    producer.init_transactions(20)
    return Metrics(settings, embedded_settings, embedded, admin.describe()["metrics"].id, producer)
