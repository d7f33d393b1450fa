"""What has been rolled up, kept in the tables ``rolled_days`` and ``rollup_looks``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import MOMENT
from loopin_sinks.persons.mapping import PERSON_OF_USER
from loopin_sinks.rollups.measures import TOLD
from loopin_sinks.rollups.rolled import NOTHING, Rolled, RolledDay
from loopin_sinks.store import Store

OVERLAP: Final = timedelta(minutes=5)
"""How far each look goes back behind the one before: inserts under way then, and clocks of other machines."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_NOTES: Final = """
    SELECT toInt64(day) AS number,
        argMax(
            (events, newest_received, stored, digest, events_kept, measures, version), version
        ) AS note
    FROM rolled_days WHERE project = {project:String} AND zone = {zone:String} GROUP BY number
"""

# A day of another zone may begin earlier than the one of the same date.
_LOOKED: Final = """
    SELECT maxIf(looked_at, zone = {zone:String}) AS looked,
        max(if(covered = toDate(0) OR zone = {zone:String}, 0, 1) + toInt64(covered)) AS covered
    FROM rollup_looks WHERE project = {project:String}
"""

# Without the days of all other events, whose index says that nothing of them was stored of late.
_STORED_SINCE: Final = """
    SELECT toInt64(toDate(timestamp, {zone:String})) AS number, max(_stored_at) AS stored
    FROM events
    WHERE project = {project:String} AND timestamp <= {last:DateTime64(3, 'UTC')}
        AND _stored_at >= {since:DateTime64(3, 'UTC')}
    GROUP BY number
"""


_SESSIONS_MADE: Final = """
    SELECT toInt64(day) AS number, min(version) AS oldest, max(version) AS newest,
        argMax(made_of, version) AS made
    FROM session_days WHERE project = {project:String} AND zone = {zone:String} AND user = 0 GROUP BY number
"""


class Note(NamedTuple):
    """What is told of a rolled day: its events, what tells those from others, and what is told of them.

    ``kept`` is for how many days all of them were to be kept, 0 where that is not known.
    """

    events: int
    newest_received: datetime
    stored: datetime
    digest: int
    kept: int
    measures: list[str]
    version: int


class Look(NamedTuple):
    """Up to where all is rolled up.

    Attributes:
        since: from when on what was stored has not been looked at for certain.
        covered: the first day whose events had all been kept so far; 0 where all had.
    """

    since: datetime
    covered: int


class Made(NamedTuple):
    """The sessions of a day: their oldest and newest version, and which versions of days that is made of."""

    oldest: int
    newest: int
    of: list[int]


async def notes(store: Store, project: str, zone: str) -> dict[int, Note]:
    """By day, what is rolled up. Raises StoreError."""
    rows = await store.query(_NOTES, {"project": project, "zone": zone})
    return {row["number"]: Note(*row["note"]) for row in rows}


async def looked(store: Store, project: str, zone: str) -> Look:
    """What the last look has noted. Raises StoreError."""
    [row] = await store.query(_LOOKED, {"project": project, "zone": zone})
    last: datetime = row["looked"]
    return Look(max(last - OVERLAP, EPOCH), row["covered"])


async def stored_since(
    store: Store, project: str, zone: str, since: datetime, until: datetime
) -> Mapping[int, datetime]:
    """By day before ``until`` that got events since, when the last of them was stored. Raises StoreError."""
    # A millisecond before, so that the index leaves the day out that the end begins.
    bound = {"project": project, "zone": zone, "since": since, "last": until - MOMENT}
    return {row["number"]: row["stored"] for row in await store.query(_STORED_SINCE, bound)}


async def rolled(store: Store, project: str, zone: str, midnight: Callable[[int], datetime]) -> Rolled:
    """What of a project may be read from rollups; ``midnight`` says when a day begins.

    Raises:
        StoreError: the store did not answer.
    """
    known, look, made, [row] = await asyncio.gather(
        notes(store, project, zone),
        looked(store, project, zone),
        sessions_made(store, project, zone),
        store.query(f"SELECT count() AS linked FROM ({PERSON_OF_USER})", {"project": project}),
    )
    if not known:
        return NOTHING
    late = await stored_since(store, project, zone, look.since, midnight(max(known) + 1))
    days = {
        day: RolledDay(
            note.events,
            note.newest_received if note.events else None,
            note.version,
            frozenset(note.measures),
            late.get(day, EPOCH) > note.stored,
            day < look.covered,
        )
        for day, note in known.items()
    }
    final, open_until = {}, {}
    for day, (_, version, made_of) in made.items():
        if made_of == around(known, day) and all(
            near in days and days[near].whole for near in (day - 1, day)
        ):
            if made_of[-1] == 0:
                open_until[day] = version
            elif days[day + 1].whole:
                final[day] = version
    return Rolled(look.since, look.covered, days, final, open_until, bool(row["linked"]))


def around(known: Mapping[int, Note], day: int) -> list[int] | None:
    """Versions of the days that a day's sessions are made of; None while they are not rolled up.

    Of the last day that is rolled up they are made as if they all ended with it: 0 stands for the day after.
    """
    if day not in known or day - 1 not in known:
        return None
    last = [known[day + 1].version] if day + 1 in known else [0] if day == max(known) else []
    return [known[day - 1].version, known[day].version, *last] if last else None


async def sessions_made(store: Store, project: str, zone: str) -> dict[int, Made]:
    """By day, what its sessions are. Raises StoreError."""
    rows = await store.query(_SESSIONS_MADE, {"project": project, "zone": zone})
    return {row["number"]: Made(row["oldest"], row["newest"], row["made"]) for row in rows}


async def note_days(store: Store, scope: Scope, found: Mapping[int, Note]) -> None:
    """Note that days are rolled up, with all that is told now. Raises StoreError."""
    await store.command(
        """
        INSERT INTO rolled_days (
            project, zone, day, events, newest_received, stored, digest, events_kept, version, measures,
            _retention_days
        )
        SELECT {project:String}, {zone:String}, toDate(note.1), note.2, note.3, note.4, note.5, note.6,
            note.7, {measures:Array(String)}, {kept:UInt16}
        FROM (
            SELECT arrayJoin(arrayZip(
                {days:Array(UInt16)}, {events:Array(UInt64)}, {newest:Array(DateTime64(3, 'UTC'))},
                {stored:Array(DateTime64(3, 'UTC'))}, {digests:Array(UInt64)}, {events_kept:Array(UInt16)},
                {versions:Array(UInt64)}
            )) AS note
        )
        """,
        {
            "project": scope.project,
            "zone": scope.zone_name,
            "days": list(found),
            "events": [note.events for note in found.values()],
            "newest": [note.newest_received for note in found.values()],
            "stored": [note.stored for note in found.values()],
            "digests": [note.digest for note in found.values()],
            "events_kept": [note.kept for note in found.values()],
            "versions": [note.version for note in found.values()],
            "measures": TOLD,
            "kept": scope.retention.daily,
        },
    )


async def note_look(store: Store, project: str, zone: str, at: datetime, covered: int) -> None:
    """Note that all that had been stored by then is rolled up, and from which day on all was there.

    Raises:
        StoreError: it may be noted.
    """
    await store.command(
        """
        INSERT INTO rollup_looks (project, zone, looked_at, covered)
        SELECT {project:String}, {zone:String}, {at:DateTime64(3, 'UTC')}, toDate({covered:UInt16})
        """,
        {"project": project, "zone": zone, "at": at, "covered": max(covered, 0)},
    )
