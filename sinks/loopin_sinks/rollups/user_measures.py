"""What users have done, and others to them, on days that are rolled up: for what is told of whole lives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from loopin_schemas.metrics.definition import Events
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.days import STORED, Batch
from loopin_sinks.store import Store

DONE: Final[Mapping[str, str]] = {
    "total_posts": "content_created",
    "total_comments": "content_commented",
    "total_likes_given": "content_liked",
    "recommendations_shown": "recommendation_shown",
    "recommendations_clicked": "recommendation_clicked",
}
"""By measure the user's own event."""

RECEIVED: Final[Mapping[str, tuple[str, str]]] = {
    "total_likes_received": ("content_liked", "author_id"),
    "followers_gained": ("user_followed", "followed_id"),
    "followers_lost": ("user_unfollowed", "followed_id"),
}
"""By measure anybody's event, and the property that names the user."""

COUNTED: Final = "counted"
SESSIONS: Final = "sessions"
LENGTH_MS: Final = "length_ms"

_INTO: Final = """
    INSERT INTO user_measures (
        project, zone, user, measure, day, actor, number, version, _retention_days
    )
"""


def done(query: Query) -> str:
    """In SQL, the measure of an event that a user has done."""
    return f"transform(toString(event), {_texts(query, DONE.values())}, {_texts(query, DONE)}, '')"


def received(query: Query) -> tuple[str, str]:
    """In SQL, the measure of an event that was done to a user, and the distinct_id that it names."""
    named = ", ".join(
        f"event = {query.bind(event, 'String')}, {query.text(name)}" for event, name in RECEIVED.values()
    )
    names = [event for event, _ in RECEIVED.values()]
    measure = f"transform(toString(event), {_texts(query, names)}, {_texts(query, RECEIVED)}, '')"
    return measure, f"multiIf({named}, '')"


DONE_EVENTS: Final = Events(tuple(DONE.values()))
RECEIVED_EVENTS: Final = Events(tuple(event for event, _ in RECEIVED.values()))


async def count_users(store: Store, scope: Scope, batch: Batch, version: int) -> None:
    """Store what is counted of users on some days, and last that it is; rows of an earlier time are replaced.

    Raises:
        StoreError: some of it may be stored.
    """
    for share in range(batch.shares):
        query = Query(replace(scope, bots=False))
        first, until = scope.midnight(min(batch.days)), scope.midnight(max(batch.days) + 1)
        source = f"""{query.source(first, until, STORED)}
            AND {query.day} IN {query.bind(sorted(batch.days), "Array(Int64)")}
            AND user % {query.bind(batch.shares, "UInt64")} = {query.bind(share, "UInt64")}"""
        head = f"{_INTO} SELECT project, {query.bind(scope.zone_name, 'String')}"
        tail = f"{query.bind(version, 'UInt64')}, {query.bind(scope.retention.daily, 'UInt16')}"
        day, (measure, named) = f"toDate(toUInt16({query.day}))", received(query)
        await query.command(
            store,
            f"""
            {head}, user, {done(query)} AS did, {day} AS of_day, 0, count(), {tail}
            FROM {source} AND {query.matches(DONE_EVENTS)} GROUP BY project, user, did, of_day
            """,
        )
        await query.command(
            store,
            f"""
            {head}, cityHash64({named}) AS whom, {measure} AS got, {day} AS of_day, user, count(), {tail}
            FROM {source} AND {query.matches(RECEIVED_EVENTS)} AND {named} != ''
            GROUP BY project, whom, got, of_day, user
            """,
        )
    query = Query(scope)
    await query.command(
        store,
        f"""
        {_INTO} SELECT {{project:String}}, {query.bind(scope.zone_name, "String")}, 0, '{COUNTED}',
            toDate(arrayJoin({query.bind(list(batch.days), "Array(UInt16)")})), 0, 0,
            {query.bind(version, "UInt64")}, {query.bind(scope.retention.daily, "UInt16")}
        """,
    )


async def copy_sessions(store: Store, scope: Scope, days: Sequence[int], version: int) -> None:
    """Store the sessions of users on some days, which ``session_days`` has by day. Raises StoreError."""
    query = Query(scope)
    await query.command(
        store,
        f"""
        {_INTO} SELECT project, zone, user, one.1, day, 0, one.2, version, _retention_days
        FROM session_days
        ARRAY JOIN [('{SESSIONS}', toInt64(sessions)), ('{LENGTH_MS}', length_ms)] AS one
        WHERE project = {{project:String}} AND zone = {query.bind(scope.zone_name, "String")}
            AND toUInt16(day) IN {query.bind(list(days), "Array(UInt16)")}
            AND version = {query.bind(version, "UInt64")}
        """,
    )


def _texts(query: Query, texts: Iterable[str]) -> str:
    return query.bind(list(texts), "Array(String)")
