"""The task that finds windows in which a person goes on being counted as several users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import time
from typing import Final

import structlog

from loopin_sinks.persons.overlaps import request_overlaps_since
from loopin_sinks.store import Store, StoreError

log = structlog.get_logger(__name__)

LOOK_EVERY_S: Final = 60.0
"""A window is recomputed an hour after it at the earliest, so there is time."""

LOOK_BACK_MS: Final = 24 * 3_600_000
"""How far the first look goes back: what was stored while no process was there to look."""

OVERLAP_MS: Final = 5 * 60_000
"""How far each look goes back behind the one before: inserts under way then, and clocks of other machines."""


class PersonWindows:
    """Asks for the windows that a stream counts by distinct_ids though some of those are one person.

    A merge asks for those before it; this is for those after it. ``failing`` holds one sentence while the
    store refuses.
    """

    def __init__(self, store: Store, *, leads: Callable[[], bool]) -> None:
        """``leads`` says whether this process is the one of several that looks."""
        self.failing: str | None = None
        self._store = store
        self._leads = leads
        self._looked_ms: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Look until ``stop`` is set; a look that fails is made good by the next."""
        while not stop.is_set():
            try:
                await self.look(int(time() * 1000))
                self.failing = None
            except StoreError as error:
                self.failing = str(error)
                log.warning("person_windows_failed", reason=str(error))
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue

    async def look(self, now_ms: int) -> None:
        """Ask for the windows that got events since the last look.

        Raises:
            StoreError: nothing was asked for.
        """
        if not self._leads():
            # Whoever leads now has looked; it may be this process again.
            self._looked_ms = None
            return
        since = now_ms - LOOK_BACK_MS if self._looked_ms is None else self._looked_ms - OVERLAP_MS
        await request_overlaps_since(self._store, since)
        self._looked_ms = now_ms
