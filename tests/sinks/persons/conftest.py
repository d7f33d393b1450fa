"""An installation's topics of persons."""

from __future__ import annotations

import pytest

from tests.sinks.persons.journal import Journal
from tests.sinks.topics_to_store import TopicsToStore


@pytest.fixture
def journal(topics_to_store: TopicsToStore) -> Journal:
    return Journal(*topics_to_store)
