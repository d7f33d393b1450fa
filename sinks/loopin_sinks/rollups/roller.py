"""The task that rolls up days."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.metric_values.sessions import LONGEST
from loopin_sinks.metric_values.sql import Query, users_of
from loopin_sinks.rollups.days import Batch, batches, note_open_sessions, roll_up, states
from loopin_sinks.rollups.measures import TOLD
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
from loopin_sinks.rollups.sessions import roll_sessions
from loopin_sinks.rollups.sums import add_up, add_up_own
from loopin_sinks.rollups.superseded import remove_superseded
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
        self._own: dict[str, frozenset[int]] = {}
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
        await remove_superseded(store, scope, known, await sessions_made(store, project, zone))
        look = await looked(store, project, zone)
        touched = await stored_since(store, project, zone, look.since, scope.midnight(today))
        # A day that is partly removed already would be rolled up short, whatever is kept from now on.
        whole = today - self._projects.of(project).whole_days(epoch_ms(scope.now)) + 1
        covered = max(look.covered, whole)
        first = max(covered, min((*known, *touched), default=today))
        asked = [day for day in range(first, today) if day in touched or not _tells_all(known.get(day))]
        own = await self._own_users(scope)
        covered = await self._roll_days(scope, asked, known, own, stop) or covered
        await self._tell_own_apart(scope, covered, own, stop)
        await self._roll_sessions(scope, covered + 1, stop)
        if not stop.is_set() and (touched or look.since == EPOCH or covered > look.covered):
            await note_look(store, project, zone, scope.now, covered)

    async def _roll_days(
        self,
        scope: Scope,
        asked: Collection[int],
        known: Mapping[int, Note],
        own: frozenset[int],
        stop: asyncio.Event,
    ) -> int | None:
        """Roll up those of the days whose events are not those that are noted.

        Returns the day after the last of which some have been removed: it stays as it is, and all before.
        """
        version = max([int(scope.now.timestamp() * 1000), *(note.version + 1 for note in known.values())])
        # Before anything is read for the rollups: what comes meanwhile then makes the day be looked at again.
        found = await states(self._store, scope, asked, version)
        gone = {day for day in asked if day not in found}
        for day in known.keys() & found.keys():
            before, expired = known[day], scope.day_of(scope.now) - known[day].kept
            if found[day].events < before.events or (before.kept and day <= expired):
                gone.add(day)
        due = {
            day: note
            for day, note in found.items()
            if day not in gone and (day not in known or note[:-1] != known[day][:-1])
        }
        for batch in batches(due):
            if stop.is_set():
                break
            await self._roll_batch(scope, batch, version, own)
            noted = {day: due[day] for day in batch.days}
            await note_days(self._store, scope, noted)
            self.rolled += len(batch.days)
        if due:
            log.info("days_rolled_up", project=scope.project, days=len(due))
        return max(gone) + 1 if gone else None

    async def _own_users(self, scope: Scope) -> frozenset[int]:
        """All users of the project's own people."""
        query, internal = Query(scope), sorted(self._projects.of(scope.project).internal)
        found = f"SELECT DISTINCT user FROM ({users_of(query, internal)})"
        rows = await query.rows(self._store, found) if internal else []
        return frozenset(row["user"] for row in rows)

    async def _tell_own_apart(
        self, scope: Scope, covered: int, own: frozenset[int], stop: asyncio.Event
    ) -> None:
        """Where they are others now, of all days whose events are there."""
        if own == self._own.get(scope.project, frozenset()):
            return
        known = await notes(self._store, scope.project, scope.zone_name)
        there = {day: note for day, note in known.items() if day >= covered and _tells_all(note)}
        for batch in batches(there):
            if stop.is_set():
                return
            await add_up_own(self._store, scope, own, {day: there[day].version for day in batch.days})
        self._own[scope.project] = own

    async def _roll_batch(self, scope: Scope, batch: Batch, version: int, own: frozenset[int]) -> None:
        await roll_up(self._store, scope, batch, version)
        await count_users(self._store, scope, batch, version)
        await add_up(self._store, scope, batch, version)
        if own:
            await add_up_own(self._store, scope, own, dict.fromkeys(batch.days, version))
        last = scope.day_of(scope.now - CLOSED_AFTER) - 1
        if last in batch.days:
            await note_open_sessions(self._store, scope, last, version)

    async def _roll_sessions(self, scope: Scope, first: int, stop: asyncio.Event) -> None:
        """Make the sessions that began on days anew, where those days or their neighbours have changed."""
        store, project, zone = self._store, scope.project, scope.zone_name
        known = await notes(store, project, zone)
        made = await sessions_made(store, project, zone)
        due = {}
        for day in known:
            made_of = around(known, day)
            current = day in made and made[day].of == made_of
            if made_of and not current and day >= first and _neighbours_hold(scope, day):
                due[day] = made_of
        version = max([int(scope.now.timestamp() * 1000), *(each.newest + 1 for each in made.values())])
        # Events of the day that is not over would be in none of the versions that sessions are made of.
        scope = replace(scope, now=scope.midnight(max(known, default=0) + 1))
        for batch in batches({day: known[day] for day in due}):
            if stop.is_set():
                return
            await roll_sessions(store, scope, batch, version, due)
            await copy_sessions(store, scope, batch.days, version)


def _tells_all(note: Note | None) -> bool:
    return note is not None and note.measures == TOLD


def _neighbours_hold(scope: Scope, day: int) -> bool:
    """Whether a day's longest sessions are within it and its neighbours: not if one of those is short."""
    return scope.midnight(day) - LONGEST >= scope.midnight(day - 1) and scope.midnight(
        day + 1
    ) + LONGEST <= scope.midnight(day + 2)
