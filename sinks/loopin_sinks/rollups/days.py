"""Days of a project, rolled up from their events."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from loopin_schemas.metrics.definition import ACTIVE
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
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
    """What is stored of days now, to be noted as this version. Raises StoreError."""
    if not days:
        return {}
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT {query.day} AS number, uniqExact(event, user, timestamp, uuid) AS events,
            max(received_at) AS newest, max(_stored_at) AS last_stored,
            groupBitXor(cityHash64(_topic_id, _partition, _offset)) AS told_apart
        FROM {_of_days(query, days, "events")} GROUP BY number
        """,
    )
    found = dict.fromkeys(days, Note(0, EPOCH, EPOCH, 0, version))
    for row in rows:
        found[row["number"]] = Note(
            row["events"], row["newest"], row["last_stored"], row["told_apart"], version
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
        active = f"{_of_days(query, batch.days, STORED)} AND {query.matches(ACTIVE)}"
        if batch.shares > 1:
            active += f" AND user % {query.bind(batch.shares, 'UInt64')} = {query.bind(share, 'UInt64')}"
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
        await query.command(
            store,
            f"""
            INSERT INTO user_firsts (project, user, first)
            SELECT project, user, min(timestamp) FROM {active} AND NOT is_bot GROUP BY project, user
            """,
        )


def _of_days(query: Query, days: Collection[int], table: str) -> str:
    scope = query.scope
    source = query.source(scope.midnight(min(days)), scope.midnight(max(days) + 1), table)
    return f"{source} AND {query.day} IN {query.bind(sorted(days), 'Array(Int64)')}"
