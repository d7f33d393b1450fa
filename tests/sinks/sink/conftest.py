"""One installation's topic and store for the tests of the sink."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.migrated import fill
from tests.sinks.enriched import Enriched
from tests.transactions import Transactions


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


@pytest.fixture
def enriched(
    kafka: Broker, topic_prefix: str, embedded: Store, embedded_settings: StoreSettings, migrated: Path
) -> Enriched:
    settings = SinkSettings.model_validate(
        {
            "kafka_bootstrap": kafka.bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": 2,
            "session_timeout_s": 6,
            "insert_interval_s": 0.05,
        }
    )
    admin = TopicAdmin(settings)
    admin.apply()
    fill(embedded_settings, migrated)
    writer = Transactions(kafka.bootstrap, f"{topic_prefix}writer")
    topic_id = admin.describe()["events.enriched"].id
    return Enriched(settings, embedded_settings, embedded, topic_id, writer)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loopin_sinks.writer.RETRY_S", (0.02,))
