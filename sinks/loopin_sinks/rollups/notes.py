"""What has been rolled up, kept in the tables ``rolled_days`` and ``rollup_looks``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.rollups.rolled import NOTHING, Rolled, RolledDay
from loopin_sinks.store import Store

OVERLAP: Final = timedelta(minutes=5)
"""How far each look goes back behind the one before: inserts under way then, and clocks of other machines."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

_NOTES: Final = """
    SELECT toInt64(day) AS number, argMax((events, newest_received, stored, digest, version), version) AS note
    FROM rolled_days WHERE project = {project:String} AND zone = {zone:String} GROUP BY number
"""

_LOOKED: Final = """
    SELECT max(looked_at) AS looked FROM rollup_looks
    WHERE project = {project:String} AND zone = {zone:String}
"""

# Without the days of all other events, whose index says that nothing of them was stored of late.
_STORED_SINCE: Final = """
    SELECT toInt64(toDate(timestamp, {zone:String})) AS number, max(_stored_at) AS stored
    FROM events
    WHERE project = {project:String} AND timestamp < {until:DateTime64(3, 'UTC')}
        AND _stored_at >= {since:DateTime64(3, 'UTC')}
    GROUP BY number
"""


_SESSIONS_MADE: Final = """
    SELECT toInt64(day) AS number, max(version) AS newest, argMax(made_of, version) AS made
    FROM session_days WHERE project = {project:String} AND zone = {zone:String} AND user = 0 GROUP BY number
"""


class Note(NamedTuple):
    """What is told of a rolled day: its events, and what tells those from others."""

    events: int
    newest_received: datetime
    stored: datetime
    digest: int
    version: int


async def notes(store: Store, project: str, zone: str) -> dict[int, Note]:
    """By day, what is rolled up. Raises StoreError."""
    rows = await store.query(_NOTES, {"project": project, "zone": zone})
    return {row["number"]: Note(*row["note"]) for row in rows}


async def looked(store: Store, project: str, zone: str) -> datetime:
    """From when on what was stored has not been looked at for certain. Raises StoreError."""
    [row] = await store.query(_LOOKED, {"project": project, "zone": zone})
    last: datetime = row["looked"]
    return max(last - OVERLAP, EPOCH)


async def stored_since(
    store: Store, project: str, zone: str, since: datetime, until: datetime
) -> Mapping[int, datetime]:
    """By day before ``until`` that got events since, when the last of them was stored. Raises StoreError."""
    bound = {"project": project, "zone": zone, "since": since, "until": until}
    return {row["number"]: row["stored"] for row in await store.query(_STORED_SINCE, bound)}


async def rolled(store: Store, project: str, zone: str, until: datetime) -> Rolled:
    """What of a project may be read from rollups, of the days before ``until``.

    Raises:
        StoreError: the store did not answer.
    """
    known = await notes(store, project, zone)
    if not known:
        return NOTHING
    since = await looked(store, project, zone)
    late = await stored_since(store, project, zone, since, until)
    days = {
        day: RolledDay(
            note.events,
            note.newest_received if note.events else None,
            note.version,
            late.get(day, EPOCH) <= note.stored,
        )
        for day, note in known.items()
    }
    made = await sessions_made(store, project, zone)
    sessions = {
        day: version
        for day, (version, made_of) in made.items()
        if made_of == around(known, day) and all(days[day + near].whole for near in (-1, 0, 1))
    }
    return Rolled(since, days, sessions)


def around(known: Mapping[int, Note], day: int) -> list[int] | None:
    """Versions of the days that a day's sessions are made of; None while not all are rolled up."""
    near = [known.get(day + number) for number in (-1, 0, 1)]
    return [note.version for note in near if note is not None] if None not in near else None


async def sessions_made(store: Store, project: str, zone: str) -> dict[int, tuple[int, list[int]]]:
    """By day, which version its sessions are, and of which versions of days made. Raises StoreError."""
    rows = await store.query(_SESSIONS_MADE, {"project": project, "zone": zone})
    return {row["number"]: (row["newest"], row["made"]) for row in rows}


async def note_days(store: Store, scope: Scope, found: Mapping[int, Note]) -> None:
    """Note that days are rolled up. Raises StoreError."""
    await store.command(
        """
        INSERT INTO rolled_days
            (project, zone, day, events, newest_received, stored, digest, version, _retention_days)
        SELECT {project:String}, {zone:String}, toDate(note.1), note.2, note.3, note.4, note.5, note.6,
            {kept:UInt16}
        FROM (
            SELECT arrayJoin(arrayZip(
                {days:Array(UInt16)}, {events:Array(UInt64)}, {newest:Array(DateTime64(3, 'UTC'))},
                {stored:Array(DateTime64(3, 'UTC'))}, {digests:Array(UInt64)}, {versions:Array(UInt64)}
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
            "versions": [note.version for note in found.values()],
            "kept": scope.retention.daily,
        },
    )


async def note_look(store: Store, project: str, zone: str, at: datetime) -> None:
    """Note that all that had been stored by then is rolled up. Raises StoreError."""
    await store.command(
        """
        INSERT INTO rollup_looks (project, zone, looked_at)
        SELECT {project:String}, {zone:String}, {at:DateTime64(3, 'UTC')}
        """,
        {"project": project, "zone": zone, "at": at},
    )
