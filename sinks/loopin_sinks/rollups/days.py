"""Days of a project, rolled up from their events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import ACTIVE
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.measures import TOLD, WATCHED
from loopin_sinks.rollups.notes import EPOCH, Note
from loopin_sinks.store import Store

AT_ONCE: Final = 500_000
"""Events of one statement, about: while it runs, the embedded store takes no others."""

STORED: Final = "events FINAL"
"""What a client sent again after hours lies there twice until the engine merges it."""

PLACE: Final = "country, region, city, device_type, browser, os, platform, campaign_source"


class Batch(NamedTuple):
    """Days that one statement rolls up, or one day by shares of its users."""

    days: Sequence[int]
    shares: int


async def states(store: Store, scope: Scope, days: Collection[int], version: int) -> dict[int, Note]:
    """What is stored of days now, to be noted as this version; not of those that are removed by now, in part.

    Raises:
        StoreError: the store did not answer.
    """
    if not days:
        return {}
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT {query.day} AS number, uniqExact(event, user, timestamp, uuid) AS events,
            max(received_at) AS newest, max(_stored_at) AS last_stored, min(_retention_days) AS kept,
            groupBitXor(cityHash64(_topic_id, _partition, _offset)) AS told_apart
        FROM {_of_days(query, days, "events")} GROUP BY number
        """,
    )
    found = dict.fromkeys(days, Note(0, EPOCH, EPOCH, 0, 0, TOLD, version))
    today = scope.day_of(scope.now)
    for row in rows:
        if row["number"] <= today - row["kept"]:
            del found[row["number"]]
            continue
        found[row["number"]] = Note(
            row["events"], row["newest"], row["last_stored"], row["told_apart"], row["kept"], TOLD, version
        )
    return found


def batches(found: Mapping[int, Note]) -> Iterator[Batch]:
    """The days, latest first, in what can be rolled up at once."""
    days: list[int] = []
    events = 0
    for day, note in sorted(found.items(), reverse=True):
        if days and events + note.events > AT_ONCE:
            yield Batch(days, events // AT_ONCE + 1)
            days, events = [], 0
        days.append(day)
        events += note.events
    if days:
        yield Batch(days, events // AT_ONCE + 1)


async def roll_up(store: Store, scope: Scope, batch: Batch, version: int) -> None:
    """Store what the rollups hold of some days; rows of an earlier time are replaced.

    ``scope`` is the whole project, bots included.

    Raises:
        StoreError: some of it may be stored.
    """
    for share in range(batch.shares):
        query = Query(scope)
        source = of_share(query, batch, share)
        active = f"{source} AND {query.matches(ACTIVE)}"
        await query.command(
            store,
            f"""
            INSERT INTO person_days (
                project, zone, day, user, is_bot, {PLACE}, events, first, last, version, _retention_days
            )
            SELECT project, {query.bind(scope.zone_name, "String")}, toDate(toUInt16({query.day})) AS of_day,
                user, is_bot, {PLACE}, count(), min(timestamp), max(timestamp),
                {query.bind(version, "UInt64")}, {query.bind(scope.retention.daily, "UInt16")}
            FROM {active} GROUP BY project, of_day, user, is_bot, {PLACE}
            """,
        )
        watched = query.bind(list(WATCHED), "Array(String)")
        await query.command(
            store,
            f"""
            INSERT INTO user_events (project, event, user, first, last)
            SELECT project, arrayJoin(if(event IN {watched}, ['', toString(event)], [''])) AS name, user,
                min(timestamp), max(timestamp)
            FROM {active} AND NOT is_bot GROUP BY project, name, user
            """,
        )


async def note_open_sessions(store: Store, scope: Scope, day: int, version: int) -> None:
    """Store which sessions had events on a day, the last that is over. Raises StoreError."""
    query = Query(replace(scope, bots=False, internal=()))
    source = _of_days(query, [day], STORED)
    await query.command(
        store,
        f"""
        INSERT INTO open_sessions (project, zone, day, version, user, session, _retention_days)
        SELECT DISTINCT project, {query.bind(scope.zone_name, "String")},
            toDate({query.bind(day, "UInt16")}), {query.bind(version, "UInt64")}, user,
            cityHash64(session_id), {query.bind(scope.retention.daily, "UInt16")}
        FROM {source} AND {query.matches(ACTIVE)}
        """,
    )


def of_share(query: Query, batch: Batch, share: int) -> str:
    """From which rows: a share of the days' users, each event once."""
    source = _of_days(query, batch.days, STORED)
    if batch.shares > 1:
        source += f" AND user % {query.bind(batch.shares, 'UInt64')} = {query.bind(share, 'UInt64')}"
    return source


def _of_days(query: Query, days: Collection[int], table: str) -> str:
    scope = query.scope
    source = query.source(scope.midnight(min(days)), scope.midnight(max(days) + 1), table)
    return f"{source} AND {query.day} IN {query.bind(sorted(days), 'Array(Int64)')}"
