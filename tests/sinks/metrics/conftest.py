"""An installation's topic of windows."""

from __future__ import annotations

import pytest

from tests.sinks.metrics.topic import Metrics
from tests.sinks.topics_to_store import TopicsToStore


@pytest.fixture
def metrics(topics_to_store: TopicsToStore) -> Metrics:
    settings, store_settings, store, ids, writer = topics_to_store
    return Metrics(settings, store_settings, store, ids["metrics"], writer)
