"""What is the same for all users of a project, read once a minute."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple, Protocol

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.recommendations.history import Wanted
from loopin_sinks.recommendations.platform_events import PlatformEvents
from loopin_sinks.recommendations.read import communities, platform_events, wanted
from loopin_sinks.recommendations.read_checks import Passed, places
from loopin_sinks.recommendations.recent import COMMUNITIES, EVENTS
from loopin_sinks.store import Store

KEPT_FOR: Final = timedelta(minutes=1)

MOST_KEPT: Final = 200_000
"""Platform events, communities and checked places of all projects together: the oldest are let go."""


class Offered(NamedTuple):
    """A project's platform events, and by how many people each is wanted."""

    events: PlatformEvents
    wanted: Wanted


class Communities(NamedTuple):
    """A project's communities, sorted, and by how many people each is wanted."""

    names: tuple[str, ...]
    wanted: Wanted


class _Sized(Protocol):
    def __len__(self) -> int: ...


@dataclass(frozen=True, slots=True)
class _Kept:
    at: datetime
    task: asyncio.Task[tuple[Any, _Sized]]

    def holds(self, now: datetime) -> bool:
        """Whether it is told again; of two who ask at once either may be the first."""
        return not self.task.done() or abs(now - self.at) < KEPT_FOR


class Shared:
    """Reads of a store what users of a project have in common; what is read holds for ``KEPT_FOR``.

    Who asks while it is read waits for the same. All methods raise StoreError.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self._kept: dict[tuple[str, str, tuple[str, ...]], _Kept] = {}

    async def events(self, scope: Scope) -> Offered:
        """Platform events, the oldest first."""

        async def read() -> tuple[Offered, _Sized]:
            events = await platform_events(self.store, scope)
            return Offered(events, await wanted(self.store, scope, EVENTS, events.number)), events

        found: Offered = await self._once("events", scope, read)
        return found

    async def communities(self, scope: Scope) -> Communities:
        """Those of which there were events."""

        async def read() -> tuple[Communities, _Sized]:
            names = await communities(self.store, scope)
            number = {name: at for at, name in enumerate(names)}
            return Communities(names, await wanted(self.store, scope, COMMUNITIES, number)), names

        found: Communities = await self._once("communities", scope, read)
        return found

    async def places(self, scope: Scope) -> Mapping[str, Sequence[Passed]]:
        """Which communities let in whom, by city."""

        async def read() -> tuple[Mapping[str, Sequence[Passed]], _Sized]:
            found: dict[str, list[Passed]] = {}
            passed = await places(self.store, scope)
            for one in passed:
                found.setdefault(one.place, []).append(one)
            return found, passed

        known: Mapping[str, Sequence[Passed]] = await self._once("places", scope, read)
        return known

    async def _once(
        self, what: str, scope: Scope, read: Callable[[], Coroutine[Any, Any, tuple[Any, _Sized]]]
    ) -> Any:
        key = (what, scope.project, tuple(scope.internal))
        kept = self._kept.get(key)
        if kept is None or not kept.holds(scope.now):
            self._kept.pop(key, None)
            kept = self._kept[key] = _Kept(scope.now, asyncio.create_task(read()))
            kept.task.add_done_callback(lambda task: self._read(key, task))
        # Whoever goes away takes nothing from the others who wait.
        found, _ = await asyncio.shield(kept.task)
        return found

    def _read(self, key: tuple[str, str, tuple[str, ...]], task: asyncio.Task[tuple[Any, _Sized]]) -> None:
        """Forget what could not be read, and the oldest where there is too much."""
        if task.cancelled() or task.exception() is not None:
            if key in self._kept and self._kept[key].task is task:
                del self._kept[key]
            return
        read = {key: len(of.task.result()[1]) for key, of in self._kept.items() if _is_read(of.task)}
        for oldest in list(read):
            if sum(read.values()) <= MOST_KEPT or oldest == key:
                break
            del self._kept[oldest], read[oldest]


def _is_read(task: asyncio.Task[tuple[Any, _Sized]]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None
