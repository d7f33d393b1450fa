"""One day of a project, rolled up from its events."""

from __future__ import annotations

from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import ACTIVE
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.notes import Note
from loopin_sinks.store import Store
from loopin_sinks.window_rows import DAILY_DAYS

AT_ONCE: Final = 500_000
"""Events of one statement, about: while it runs, the embedded store takes no others."""

STORED: Final = "events FINAL"
"""What a client sent again after hours lies there twice until the engine merges it."""

PLACE: Final = "country, region, city, device_type, browser, os, platform, campaign_source"


class State(NamedTuple):
    """Which events of a day are stored."""

    rows: int
    note: Note


async def state_of(store: Store, scope: Scope, day: int, version: int) -> State:
    """A day's events now. Raises StoreError."""
    query = Query(scope)
    [row] = await query.rows(
        store,
        f"""
        SELECT count() AS rows, uniqExact(event, user, timestamp, uuid) AS events,
            max(received_at) AS newest, max(_stored_at) AS stored,
            groupBitXor(cityHash64(_topic_id, _partition, _offset)) AS digest
        FROM {query.source(scope.midnight(day), scope.midnight(day + 1))}
        """,
    )
    return State(row["rows"], Note(row["events"], row["newest"], row["stored"], row["digest"], version))


async def roll_up(store: Store, scope: Scope, day: int, state: State) -> None:
    """Store what the rollups hold of a day; rows of an earlier time are replaced.

    ``scope`` is the whole project, bots included.

    Raises:
        StoreError: some of it may be stored.
    """
    parts = state.rows // AT_ONCE + 1
    for part in range(parts):
        await _roll_persons(store, scope, day, state.note.version, part, parts)


async def _roll_persons(store: Store, scope: Scope, day: int, version: int, part: int, parts: int) -> None:
    query = Query(scope)
    source = query.source(scope.midnight(day), scope.midnight(day + 1), STORED)
    share = f"user % {query.bind(parts, 'UInt64')} = {query.bind(part, 'UInt64')}"
    active = f"{source} AND {query.matches(ACTIVE)} AND {share}"
    await query.command(
        store,
        f"""
        INSERT INTO person_days (
            project, zone, day, user, is_bot, {PLACE}, events, first, last, version, _retention_days
        )
        SELECT {{project:String}}, {query.bind(scope.zone_name, "String")},
            toDate({query.bind(day, "UInt16")}), user, is_bot, {PLACE},
            count(), min(timestamp), max(timestamp),
            {query.bind(version, "UInt64")}, {query.bind(DAILY_DAYS, "UInt16")}
        FROM {active} GROUP BY user, is_bot, {PLACE}
        """,
    )
    await query.command(
        store,
        f"""
        INSERT INTO user_firsts (project, user, first)
        SELECT {{project:String}}, user, min(timestamp) FROM {active} AND NOT is_bot GROUP BY user
        """,
    )
