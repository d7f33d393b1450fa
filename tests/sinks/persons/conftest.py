"""An installation's topics of persons."""

from __future__ import annotations

import pytest
from confluent_kafka import Producer

from loopin_sinks.migrate import migrate
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.sinks.metrics.topic import Broker
from tests.sinks.persons.journal import Journal


@pytest.fixture
async def journal(
    kafka: Broker,
    topic_prefix: str,
    embedded: Store,
    embedded_settings: StoreSettings,
    monkeypatch: pytest.MonkeyPatch,
) -> Journal:
    monkeypatch.setattr("loopin_sinks.latest_sink.RETRY_S", 0.05)
    settings = SinkSettings.model_validate(
        {
            "kafka_bootstrap": kafka.bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": 2,
            "session_timeout_s": 6,
            "metric_interval_s": 0.05,
            "profile_interval_s": 0.05,
        }
    )
    admin = TopicAdmin(settings)
    admin.apply()
    await migrate(embedded, embedded_settings)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": f"{topic_prefix}writer"})
    producer.init_transactions(20)
    ids = {name: info.id for name, info in admin.describe().items()}
    return Journal(settings, embedded_settings, embedded, ids, producer)


@pytest.fixture
async def tables(store: Store, store_settings: StoreSettings) -> Store:
    """Each form of the store in turn, with its tables."""
    await migrate(store, store_settings)
    return store
