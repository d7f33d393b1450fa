"""A store with the tables of this release, and a broker's topics."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.topic_admin import TopicAdmin
from tests.migrated import fill
from tests.sinks.repair.installation import PARTITIONS, Installation
from tests.transactions import Transactions


class Broker(Protocol):
    @property
    def bootstrap(self) -> str: ...


@pytest.fixture
def embedded_tables(embedded: Store, embedded_settings: StoreSettings, migrated: Path) -> Store:
    """The embedded store with its tables."""
    fill(embedded_settings, migrated)
    return embedded


@pytest.fixture
async def installation(kafka: Broker, topic_prefix: str, embedded_tables: Store) -> Installation:
    """Topics of one installation, empty, and the embedded store."""
    settings = SinkSettings.model_validate(
        {
            "kafka_bootstrap": kafka.bootstrap,
            "topic_prefix": topic_prefix,
            "partitions": PARTITIONS,
            "repair_interval_s": 0.02,
            "session_timeout_s": 6,
        }
    )
    TopicAdmin(settings).apply()
    return Installation(settings, embedded_tables, Transactions(kafka.bootstrap, f"{topic_prefix}worker"))
