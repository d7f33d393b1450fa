"""The sessions of users that began on days that are rolled up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sessions import KINDS, LENGTH, USERS, sessions_of
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.days import STORED, Batch
from loopin_sinks.rollups.rolled import runs
from loopin_sinks.store import Store

_COUNTED = ", ".join(f"countIf({test})" for test in KINDS.values())


async def roll_sessions(
    store: Store, scope: Scope, batch: Batch, version: int, made_of: Mapping[int, list[int]]
) -> None:
    """Store the sessions of some days, and of all users together last, which makes them count.

    Raises:
        StoreError: some of it may be stored.
    """
    scope = replace(scope, bots=False)
    for share in range(batch.shares):
        for first, last in runs(sorted(batch.days)):
            await _of_users(store, scope, (first, last), version, (share, batch.shares))
    query = Query(scope)
    zone, this = query.bind(scope.zone_name, "String"), query.bind(version, "UInt64")
    days = query.bind(list(batch.days), "Array(UInt16)")
    made = query.bind([made_of[day] for day in batch.days], "Array(Array(UInt64))")
    await query.command(
        store,
        f"""
        INSERT INTO session_days (
            project, zone, day, user, sessions, viewed, bounced, crashed, length_ms, made_of, version,
            _retention_days
        )
        SELECT {{project:String}}, {zone}, toDate(one.1), 0, found.all, found.v, found.b, found.c,
            found.length, one.2, {this}, {query.bind(scope.retention.daily, "UInt16")}
        FROM (SELECT arrayJoin(arrayZip({days}, {made})) AS one) AS asked
        LEFT JOIN (
            SELECT toUInt16(day) AS number, sum(sessions) AS all, sum(viewed) AS v, sum(bounced) AS b,
                sum(crashed) AS c, sum(length_ms) AS length
            FROM session_days
            WHERE project = {{project:String}} AND zone = {zone} AND toUInt16(day) IN {days}
                AND version = {this} AND user != 0
            GROUP BY number
        ) AS found ON found.number = one.1
        """,
    )


async def _of_users(
    store: Store, scope: Scope, run: tuple[int, int], version: int, share: tuple[int, int]
) -> None:
    query = Query(scope)
    number, shares = (query.bind(each, "UInt64") for each in share)
    span = scope.midnight(run[0]), scope.midnight(run[1] + 1)
    zone = query.bind(scope.zone_name, "String")
    await query.command(
        store,
        f"""
        INSERT INTO session_days (
            project, zone, day, user, sessions, viewed, bounced, crashed, length_ms, version, _retention_days
        )
        SELECT {{project:String}}, {zone}, toDate(fromUnixTimestamp64Milli(began), {zone}) AS of_day, whose,
            {_COUNTED}, {LENGTH}, {query.bind(version, "UInt64")},
            {query.bind(scope.retention.daily, "UInt16")}
        FROM ({sessions_of(query, span, USERS, f"user % {shares} = {number}", STORED)})
        GROUP BY of_day, whose
        """,
    )
