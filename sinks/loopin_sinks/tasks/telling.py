"""Telling the live feed of what is stored of projects' insights."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from weakref import WeakKeyDictionary

from loopin_sinks.insights.marks import dismissed
from loopin_sinks.insights.stored import open_insights
from loopin_sinks.store import StoreError
from loopin_sinks.tasks.task import Context, Teller
from loopin_streams.kafka.errors import BrokerUnreachable

_TURNS: Final[WeakKeyDictionary[Teller, asyncio.Lock]] = WeakKeyDictionary()
"""Tasks that run at once tell one after the other, each what is stored when it is its turn."""


async def tell(context: Context, projects: Sequence[str]) -> None:
    """Tell of all that has changed since the last time, where there is somebody to tell.

    Raises:
        StoreError: the store did not answer, or the broker, which is told of what is stored the next time.
    """
    teller = context.teller
    if teller is None:
        return
    async with _TURNS.setdefault(teller, asyncio.Lock()):
        now = context.clock()
        stored = [each for name in projects for each in await open_insights(context.store, name, now)]
        done_with = {id for name in projects for id in await dismissed(context.store, name)}
        try:
            await teller.tell(projects, stored, now, done_with)
        except BrokerUnreachable as error:
            raise StoreError("not_told", str(error)) from error
