"""A store with planted events, and a broker with the topics of one installation."""

from __future__ import annotations

from pathlib import Path

import pytest

from loopin_schemas.alert_rules.pipeline import HEALTH
from loopin_schemas.topics import ALERTS, CONFIG, WATCH_STATE
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.alerts import rules
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.migrated import fill
from tests.sinks.alerts.watched import RULE, Broker, Installation
from tests.streams.kafka.conftest import trusting

__all__ = ["installation", "trusting"]


@pytest.fixture
def installation(
    kafka: Broker,
    topic_prefix: str,
    embedded: Store,
    embedded_settings: StoreSettings,
    migrated: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Installation:
    """Topics, empty, and the embedded store with its tables; of the built-in rules there are a few only."""
    few = {name: rule for name, rule in rules._BUILT_IN.items() if name in (*HEALTH, RULE)}
    monkeypatch.setattr(rules, "_BUILT_IN", few)
    monkeypatch.setattr(rules, "_SWITCHED_ON", tuple(few.values()))
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
