"""Sessions: what a person does under one session's id, or, without one, without a longer pause."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from loopin_schemas.metrics.definition import ACTIVE, SessionLength, Sessions, UniquePageViews, events
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons
from loopin_sinks.metric_values.values import Values, by_period
from loopin_sinks.store import Store

SESSION_GAP_MS: Final = 30 * 60 * 1000
"""Longest pause within a session of events that name no session, in ms."""

NAMED_GAP: Final = timedelta(days=1)
"""Longest pause within a session that has an id, and how far sessions are followed beyond both ends of a
period: back to tell whether they began within it, on to tell how long they lasted."""

NAMED_GAP_MS: Final = NAMED_GAP // timedelta(milliseconds=1)

NO_INTERACTION: Final = ["$pageview", "$pageleave", "$web_vitals", "page_loaded"]
"""Events that a visitor who only looks at a page causes."""

_COUNTED: Final = {
    "all": "true",
    "viewed": "views > 0",
    "bounced": "views = 1 AND interactions = 0",
    "crashed": "crashes > 0",
}


async def sessions(store: Store, scope: Scope, of: Sessions, periods: Periods) -> Values:
    """Sessions that began in each period."""
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "began")} AS at, of, count() AS value
        FROM ({_sessions(query, periods)}) WHERE {_COUNTED[of.which]} GROUP BY at, of
        """,
    )
    return by_period(rows, periods)


async def session_length(store: Store, scope: Scope, _: SessionLength, periods: Periods) -> Values:
    """Mean minutes of the sessions that began in each period."""
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "began")} AS at, of, avg(ended - began) / 60000 AS value
        FROM ({_sessions(query, periods)}) GROUP BY at, of
        """,
    )
    return by_period(rows, periods)


async def unique_page_views(store: Store, scope: Scope, _: UniquePageViews, periods: Periods) -> Values:
    """Distinct pairs of session and path."""
    query = Query(scope)
    found = f"""
        SELECT {query.period(periods)} AS at, {query.of} AS of, user, session_id, path
        FROM {query.events(events("$pageview"), periods.start, periods.end)}
        GROUP BY at, of, user, session_id, path
    """
    rows = await query.rows(
        store,
        f"""
        SELECT at, of, uniqExact({PERSON}, found.session_id, found.path) AS value
        FROM {of_persons(found)} GROUP BY at, of
        """,
    )
    return by_period(rows, periods)


def _sessions(query: Query, periods: Periods) -> str:
    """Rows of ``of``, ``began``, ``ended`` (ms), ``views``, ``interactions``, ``crashes``.

    Events of one id are added up by user and UTC day, by person and day, and then joined day by day: within a
    day no pause is too long, and days are few beside events. Those without an id are cut at pauses.
    """
    until = min(periods.end + NAMED_GAP, query.scope.now)
    source = query.source(periods.start - NAMED_GAP, until) + f" AND {query.matches(ACTIVE)}"
    first = f"({MS}, {query.of}, toUInt8({query.chosen}))"
    view = "event = '$pageview'"
    interaction = f"event NOT IN {query.bind(NO_INTERACTION, 'Array(String)')}"
    crash = "event = 'app_crashed'"
    named = f"""
        SELECT user, session_id, toDate(timestamp) AS day, min({first}) AS first, max({MS}) AS ended,
            countIf({view}) AS views, countIf({interaction}) AS interactions, countIf({crash}) AS crashes
        FROM {source} AND session_id != '' GROUP BY user, session_id, day
    """
    unnamed = f"""
        SELECT user, groupArray((
            {first}, {MS}, toUInt64({view}), toUInt64({interaction}), toUInt64({crash})
        )) AS pieces
        FROM {source} AND session_id = '' GROUP BY user
    """
    return f"""
        SELECT part[1].1.1 AS began, part[1].1.2 AS of, part[-1].2 AS ended,
            arraySum(piece -> piece.3, part) AS views, arraySum(piece -> piece.4, part) AS interactions,
            arraySum(piece -> piece.5, part) AS crashes
        FROM (
            SELECT groupArray((first, ended, views, interactions, crashes)) AS pieces, {NAMED_GAP_MS} AS gap
            FROM (
                SELECT {PERSON} AS person, found.session_id AS session, min(found.first) AS first,
                    max(found.ended) AS ended, sum(found.views) AS views,
                    sum(found.interactions) AS interactions, sum(found.crashes) AS crashes
                FROM {of_persons(named)} GROUP BY person, session, found.day
            )
            GROUP BY person, session
            UNION ALL
            SELECT groupArrayArray(found.pieces) AS pieces, {SESSION_GAP_MS} AS gap
            FROM {of_persons(unnamed)} GROUP BY {PERSON}
        )
        ARRAY JOIN arraySplit(
            (piece, before) -> piece.1.1 - before > gap,
            arraySort(pieces) AS sorted,
            arrayPushFront(arrayPopBack(arrayMap(piece -> piece.2, sorted)), sorted[1].1.1)
        ) AS part
        WHERE part[1].1.3 AND began >= {query.bind(epoch_ms(periods.start), "Int64")}
            AND began < {query.bind(epoch_ms(periods.end), "Int64")}
    """
