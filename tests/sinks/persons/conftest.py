"""An installation's topics of persons."""

from __future__ import annotations

import pytest

from loopin_sinks.migrate import migrate
from loopin_sinks.store import Store, StoreSettings
from tests.sinks.persons.journal import Journal
from tests.sinks.topics_to_store import TopicsToStore


@pytest.fixture
def journal(topics_to_store: TopicsToStore) -> Journal:
    return Journal(*topics_to_store)


@pytest.fixture
async def tables(store: Store, store_settings: StoreSettings) -> Store:
    """Each form of the store in turn, with its tables."""
    await migrate(store, store_settings)
    return store
