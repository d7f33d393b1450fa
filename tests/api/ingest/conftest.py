"""The application without its store, which takes events and asks nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from loopin_schemas import Event
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Broker

Published = Callable[[], list[tuple[Event, dict[str, Any]]]]


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


@pytest.fixture
def published(broker: Broker) -> Published:
    """The events that the broker has, each with its properties."""
    return lambda: [(event, msgspec.json.decode(event.properties)) for event in broker.events]
