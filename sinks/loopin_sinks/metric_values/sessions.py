"""Sessions: what a person does under one session's id, or, without one, without a longer pause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from loopin_schemas.metrics.definition import ACTIVE, UniquePageViews, events
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons
from loopin_sinks.metric_values.values import Values, by_period
from loopin_sinks.store import Store

SESSION_GAP_MS: Final = 30 * 60 * 1000
"""Longest pause within a session of events that name no session, in ms."""

LONGEST: Final = timedelta(days=1)
"""How long an id stands for one session, as all clients and the stream keep it: so far sessions are followed
beyond both ends of a period, back to tell whether they began within it, on to tell how long they lasted."""

NO_INTERACTION: Final = ["$pageview", "$pageleave", "$web_vitals", "page_loaded"]
"""Events that a visitor who only looks at a page causes."""


_KINDS: Final = {
    "all": "true",
    "viewed": "views > 0",
    "bounced": "views = 1 AND interactions = 0",
    "crashed": "crashes > 0",
}


@dataclass(frozen=True, slots=True)
class SessionNumbers:
    """Of the sessions that began in each period: how many, by kind, and their mean length in minutes."""

    counts: Mapping[str, Values]
    minutes: Values


async def session_numbers(store: Store, scope: Scope, periods: Periods) -> SessionNumbers:
    """All that metrics ask of sessions, in one pass."""
    query = Query(scope)
    counted = ", ".join(f"countIf({test}) AS {kind}" for kind, test in _KINDS.items())
    rows = await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "began")} AS at, of, {counted}, avg(ended - began) / 60000 AS minutes
        FROM ({_sessions(query, periods)}) GROUP BY at, of
        """,
    )
    keys = [(periods.number[row["at"]], row["of"]) for row in rows]
    return SessionNumbers(
        {kind: {key: row[kind] for key, row in zip(keys, rows, strict=True)} for kind in _KINDS},
        {key: row["minutes"] for key, row in zip(keys, rows, strict=True)},
    )


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

    Events of one id are added up by user, then by person; those without one are cut at pauses, by person.
    """
    scope = query.scope
    until = min(periods.end + LONGEST, scope.now)
    source = query.source(periods.start - LONGEST, until) + f" AND {query.matches(ACTIVE)}"
    # What decides is the first event; where nothing is asked of it, it need not be looked for.
    of = f"argMin({query.of}, {MS})" if scope.by else "''"
    chosen = f"argMin({query.chosen}, {MS})" if scope.where else "true"
    view = "event = '$pageview'"
    interaction = f"event NOT IN {query.bind(NO_INTERACTION, 'Array(String)')}"
    crash = "event = 'app_crashed'"
    named = f"""
        SELECT user, cityHash64(session_id) AS session, min({MS}) AS began, max({MS}) AS ended,
            {of} AS of, {chosen} AS chosen,
            countIf({view}) AS views, countIf({interaction}) AS interactions, countIf({crash}) AS crashes
        FROM {source} AND session_id != '' GROUP BY user, session
    """
    unnamed = f"""
        SELECT user, groupArray((
            {MS}, {query.of}, {query.chosen}, toUInt64({view}), toUInt64({interaction}), toUInt64({crash})
        )) AS pieces
        FROM {source} AND session_id = '' GROUP BY user
    """
    start, end = (query.bind(epoch_ms(edge), "Int64") for edge in (periods.start, periods.end))
    return f"""
        SELECT of, began, ended, views, interactions, crashes
        FROM (
            SELECT min(found.began) AS began, max(found.ended) AS ended,
                {"argMin(found.of, found.began)" if scope.by else "''"} AS of,
                {"argMin(found.chosen, found.began)" if scope.where else "true"} AS chosen,
                sum(found.views) AS views, sum(found.interactions) AS interactions,
                sum(found.crashes) AS crashes
            FROM {of_persons(named)} GROUP BY {PERSON}, found.session
            UNION ALL
            SELECT part[1].1 AS began, part[-1].1 AS ended, part[1].2 AS of, part[1].3 AS chosen,
                arraySum(piece -> piece.4, part) AS views, arraySum(piece -> piece.5, part) AS interactions,
                arraySum(piece -> piece.6, part) AS crashes
            FROM (
                SELECT arraySort(groupArrayArray(found.pieces)) AS sorted,
                    arrayDifference(arrayMap(piece -> piece.1, sorted)) AS pauses,
                    arraySplit((piece, pause) -> pause > {SESSION_GAP_MS}, sorted, pauses) AS parts
                FROM {of_persons(unnamed)} GROUP BY {PERSON}
            )
            ARRAY JOIN parts AS part
        )
        WHERE chosen AND began >= {start} AND began < {end}
    """
