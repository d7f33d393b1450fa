"""Records of the topics in plain JSON, and a feed that has them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from loopin_api.instruments import Instruments
from loopin_api.live.feed import Feed
from loopin_api.live.place import Place
from loopin_api.live.wanted import Wanted, wanted_of
from tests.streams.kafka.configured import Record

DEADLINE_S = 300.0

EPOCH = "0123abcd"
START = 1_768_473_000_000
"""2026-01-15T10:30:00Z."""

ALL: Wanted = wanted_of({})


async def until(condition: Callable[[], object]) -> None:
    """Return once the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  (what is waited for tells nobody)
            await asyncio.sleep(0.01)


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def window(offset: int, revision: int, **changed: Any) -> Record:
    """A record of ``metrics``."""
    given = {
        "project": "shop",
        "metric": "events",
        "grain": "minute",
        "start": START,
        "count": revision,
        "revision": revision,
        **changed,
    }
    return Record(b"shop:events", json.dumps(given).encode(), offset)


def alert(offset: int, project: str = "shop", **changed: Any) -> Record:
    """A record of ``alerts``; it may have fields that this release does not know."""
    value = {"id": f"alert-{offset}", "project": project, "severity": "warning", **changed}
    return Record(b"shop:rule", json.dumps(value, indent=1).encode(), offset)


def insight(offset: int, project: str = "shop", **changed: Any) -> Record:
    """A record of ``insights``, likewise."""
    value = {"id": f"insight-{offset}", "project": project, "withdrawn": False, **changed}
    return Record(b"shop/metric", json.dumps(value, indent=1).encode(), offset)


def ready_feed(feed: Feed | None = None, *, metrics: int = 2, clock: Clock | None = None) -> Feed:
    """A feed of topics that are still empty, of metrics with so many partitions."""
    found = feed if feed is not None else Feed(Instruments(), clock or Clock())
    found.begin(EPOCH, Place((0,) * metrics, (0,), (0,)))
    found.ready = True
    return found
