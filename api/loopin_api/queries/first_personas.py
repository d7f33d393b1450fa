"""The kinds of a project's users before the nightly task has found any."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.personas.run import Run
from loopin_sinks.store import Store
from loopin_sinks.tasks.cluster_users import found_now

REMEMBERED_FOR: Final = timedelta(minutes=10)
REMEMBERED: Final = 4
"""Runs that are held: each names up to half a million users."""


class Found(NamedTuple):
    """A run that is not stored, and when it was made."""

    run: Run
    at: datetime


class FirstPersonas:
    """Makes runs one at a time, whoever asks, and tells each again for ``REMEMBERED_FOR``."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, Found] = OrderedDict()
        self._turn = asyncio.Lock()

    async def of(self, store: Store, scope: Scope) -> Found | None:
        """A project's; None for too few users.

        Raises:
            StoreError: the store did not answer, or what fits models is not installed.
        """
        async with self._turn:
            known = self._found.get(scope.project)
            if known is not None and scope.now - known.at < REMEMBERED_FOR:
                return known
            self._found.pop(scope.project, None)
            run = await found_now(store, scope, None, {})
            if run is None:
                return None
            if len(self._found) == REMEMBERED:
                self._found.popitem(last=False)
            found = self._found[scope.project] = Found(run, scope.now)
            return found
