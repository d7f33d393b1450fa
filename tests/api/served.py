"""The application on a real port, in a thread of its own, over a broker that does as it is told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from loopin_api.app import create_app
from loopin_api.auth import hash_key
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_sinks.migrate import migrate
from loopin_sinks.store import StoreSettings, open_store
from tests.api.conftest import SECRET, WRITE_KEY, Broker


class Served(NamedTuple):
    """Where it answers, and what it publishes to."""

    url: str
    broker: Broker


@contextmanager
def served(folder: Path, settings: Mapping[str, Any], *, queries: bool = False) -> Iterator[Served]:
    """Serve within the block; ``queries`` says whether the store is to answer any."""
    keys = folder / "keys.json"
    keys.write_text(
        json.dumps([{"name": "web", "project": "shop", "scopes": ["ingest"], "sha256": hash_key(WRITE_KEY)}])
    )
    chosen = ApiSettings.model_validate({"jwt_secret": SECRET, "keys_file": keys, **settings})
    broker = Broker()
    ready: list[str] = []
    begun, ended = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        stored = StoreSettings(data_dir=folder / "data")
        store = open_store(stored)
        if queries:
            await migrate(store, stored)
        try:
            async with serving(create_app(chosen, store, broker), "127.0.0.1", 0) as url:
                ready.append(url)
                begun.set()
                await ended.wait()
        finally:
            begun.set()
            await store.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    begun.wait()
    try:
        yield Served(ready[0], broker)
    finally:
        loops[0].call_soon_threadsafe(ended.set)
        thread.join()
