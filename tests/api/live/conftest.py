"""The live feed of an application that is served on a real port."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI

from loopin_api.live.clients import Live
from loopin_api.live.feed import Feed
from loopin_api.server import serving
from loopin_sinks.store import Store
from tests.api.live.records import ready_feed


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


@pytest.fixture
def live(app: FastAPI) -> Live:
    found: Live = app.state.services.live
    return found


@pytest.fixture
def feed(live: Live) -> Feed:
    return ready_feed(live.feed)


@pytest.fixture
async def url(app: FastAPI, feed: Feed) -> AsyncIterator[str]:
    """Where it is served."""
    async with serving(app, "127.0.0.1", 0) as url:
        yield url
