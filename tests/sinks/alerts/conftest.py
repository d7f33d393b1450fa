"""A store with planted events, and a broker with the topics of one installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopin_schemas.topics import ALERTS, CONFIG, WATCH_STATE
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.migrated import fill
from tests.sinks.alerts.watched import Broker, Installation


@pytest.fixture
def installation(
    kafka: Broker, topic_prefix: str, embedded: Store, embedded_settings: StoreSettings, migrated: Path
) -> Installation:
    """Topics, empty, and the embedded store with its tables."""
    settings = SinkSettings.model_validate(
        {
            "kafka_bootstrap": kafka.bootstrap,
            "topic_prefix": topic_prefix,
            "alert_interval_s": 0.01,
            "alert_day_interval_s": 0.01,
        }
    )
    TopicAdmin(settings, [ALERTS, WATCH_STATE, CONFIG]).apply()
    fill(embedded_settings, migrated)
    return Installation(settings, embedded)
