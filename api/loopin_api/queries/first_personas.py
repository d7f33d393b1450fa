"""The kinds of a project's users before the nightly task has found any."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.personas.run import Run
from loopin_sinks.store import Store
from loopin_sinks.tasks.cluster_users import found_now

REMEMBERED_FOR: Final = timedelta(minutes=10)
TOO_FEW_FOR: Final = timedelta(minutes=1)
"""How long it is remembered that there are too few users: there may soon be enough."""

REMEMBERED: Final = 4
"""Runs that are held: each names up to half a million users."""


class Found(NamedTuple):
    """What came of a search, and when it was made; None for too few users. A run is not stored."""

    run: Run | None
    at: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it is told again."""
        return now - self.at < (TOO_FEW_FOR if self.run is None else REMEMBERED_FOR)


class FirstPersonas:
    """Looks for them in one project after the other, whoever asks, and tells what it found for a while."""

    def __init__(self) -> None:
        self._found: dict[str, Found] = {}
        self._turn = asyncio.Lock()

    async def of(self, store: Store, scope: Scope) -> Found:
        """A project's.

        Raises:
            StoreError: the store did not answer, or what fits models is not installed.
        """
        known = self._known(scope)
        if known is None:
            async with self._turn:
                # Whoever had the turn before may have asked for the same.
                known = self._known(scope)
                if known is None:
                    known = Found(await found_now(store, scope, None, {}), scope.now)
                    self._found[scope.project] = known
        return known

    def _known(self, scope: Scope) -> Found | None:
        held = {project: found for project, found in self._found.items() if found.holds(scope.now)}
        large = [project for project, found in held.items() if found.run is not None]
        for project in large[:-REMEMBERED]:
            del held[project]
        self._found = held
        return held.get(scope.project)
