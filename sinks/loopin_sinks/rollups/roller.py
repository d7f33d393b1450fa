"""The task that rolls up days."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.metric_values.sessions import LONGEST
from loopin_sinks.rollups.days import batches, roll_up, states
from loopin_sinks.rollups.notes import (
    EPOCH,
    Note,
    around,
    looked,
    note_days,
    note_look,
    notes,
    sessions_made,
    stored_since,
)
from loopin_sinks.rollups.sessions import remove_superseded, roll_sessions
from loopin_sinks.rollups.user_measures import copy_sessions, count_users
from loopin_sinks.store import Store, StoreError
from loopin_streams.projects.project import Projects

log = structlog.get_logger(__name__)

CLOSED_AFTER: Final = timedelta(minutes=10)
"""How long after its end a day is first rolled up: until then most of what comes late is there."""

_PROJECTS: Final = "SELECT DISTINCT project FROM events ORDER BY project"


class DayRoller:
    """Rolls up each day that is over, and again when events have come since.

    Days are those of the project's zone: where that has changed, all are rolled up anew in the new one, and
    those of the old one stay beside them until they are too old. Of days that their project's retention has
    begun to remove, what is rolled up stays as it is.

    ``rolled`` counts days, ``behind_s`` says how old the last look at all projects is (None in a process that
    leaves it to another), ``failing`` holds one sentence while the store refuses.
    """

    def __init__(
        self,
        store: Store,
        projects: Projects,
        *,
        interval_s: float,
        leads: Callable[[], bool],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """``projects`` knows their zones, and how long what is stored of them is kept.

        ``leads`` says whether this process is the one of several that rolls up.
        """
        self.rolled = 0
        self.failing: str | None = None
        self._store = store
        self._projects = projects
        self._interval_s = interval_s
        self._leads = leads
        self._clock = clock
        self._looked_at: datetime | None = None

    @property
    def behind_s(self) -> float | None:
        """Age of the last look after which nothing was left to do, in seconds."""
        if self._looked_at is None:
            return None
        return max(0.0, (self._clock() - self._looked_at).total_seconds())

    async def run(self, stop: asyncio.Event) -> None:
        """Roll up until ``stop`` is set; a look that fails is made good by the next."""
        while not stop.is_set():
            try:
                await self.roll_once(stop)
                self.failing = None
            except StoreError as error:
                self.failing = str(error)
                log.warning("rollup_failed", reason=str(error))
            try:
                async with asyncio.timeout(self._interval_s):
                    await stop.wait()
            except TimeoutError:
                continue

    async def roll_once(self, stop: asyncio.Event) -> int:
        """Roll up what is to be rolled up now; how many days that were.

        Raises:
            StoreError: a project could not be rolled up, or was in part; the others are.
        """
        if not self._leads():
            self._looked_at = None
            return 0
        now, before, refused = self._clock(), self.rolled, None
        for row in await self._store.query(_PROJECTS):
            try:
                await self._roll_project(self._scope(row["project"], now), stop)
            except StoreError as error:
                # A project with too many events for the store's memory must not hold up the others.
                log.error("rollup_refused", project=row["project"], reason=str(error))
                refused = error
        if refused is not None:
            raise refused
        if not stop.is_set():
            self._looked_at = now
        return self.rolled - before

    def _scope(self, project: str, now: datetime) -> Scope:
        """The whole project: bots and its own people too, whom questions leave out."""
        known = self._projects.of(project)
        return Scope(project, known.zone, now, bots=True, retention=known.retention)

    async def _roll_project(self, scope: Scope, stop: asyncio.Event) -> None:
        store, project, zone = self._store, scope.project, scope.zone_name
        today = scope.day_of(scope.now - CLOSED_AFTER)
        known = await notes(store, project, zone)
        since = await looked(store, project, zone)
        touched = await stored_since(store, project, zone, since, scope.midnight(today))
        # A day that is partly removed already would be rolled up short.
        covered = today - self._projects.of(project).whole_days(epoch_ms(scope.now)) + 1
        first = max(covered, min((*known, *touched), default=today))
        asked = [day for day in range(first, today) if day not in known or day in touched]
        await self._roll_days(scope, asked, known, stop)
        await self._roll_sessions(scope, covered + 1, stop)
        if not stop.is_set() and (touched or since == EPOCH):
            await note_look(store, project, zone, scope.now)

    async def _roll_days(
        self, scope: Scope, asked: Collection[int], known: Mapping[int, Note], stop: asyncio.Event
    ) -> None:
        """Roll up those of the days whose events are not those that are noted."""
        version = max([int(scope.now.timestamp() * 1000), *(note.version + 1 for note in known.values())])
        # Before anything is read for the rollups: what comes meanwhile then makes the day be looked at again.
        found = await states(self._store, scope, asked, version)
        due = {day: note for day, note in found.items() if day not in known or note[:-1] != known[day][:-1]}
        for batch in batches(due):
            if stop.is_set():
                return
            await roll_up(self._store, scope, batch, version)
            await count_users(self._store, scope, batch, version)
            noted = {day: due[day] for day in batch.days}
            await note_days(self._store, scope, noted)
            self.rolled += len(batch.days)
        if due:
            log.info("days_rolled_up", project=scope.project, days=len(due))

    async def _roll_sessions(self, scope: Scope, first: int, stop: asyncio.Event) -> None:
        """Make the sessions that began on days anew, where those days or their neighbours have changed."""
        store, project, zone = self._store, scope.project, scope.zone_name
        known = await notes(store, project, zone)
        made = await sessions_made(store, project, zone)
        due = {}
        for day in known:
            made_of = around(known, day)
            current = day in made and made[day][1] == made_of
            if made_of and not current and day >= first and _neighbours_hold(scope, day):
                due[day] = made_of
        version = max([int(scope.now.timestamp() * 1000), *(newest + 1 for newest, _ in made.values())])
        for batch in batches({day: known[day] for day in due}):
            if stop.is_set():
                return
            await roll_sessions(store, scope, batch, version, due)
            await copy_sessions(store, scope, batch.days, version)
        await remove_superseded(store, scope, {day: made[day][0] for day in due if day in made})


def _neighbours_hold(scope: Scope, day: int) -> bool:
    """Whether a day's longest sessions are within it and its neighbours: not if one of those is short."""
    return scope.midnight(day) - LONGEST >= scope.midnight(day - 1) and scope.midnight(
        day + 1
    ) + LONGEST <= scope.midnight(day + 2)
