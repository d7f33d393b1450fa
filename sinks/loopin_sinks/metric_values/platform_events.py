"""How the events that hosts hold turned out, each in the period in which it started."""

from __future__ import annotations

from typing import Final

from loopin_schemas.metrics.definition import Attendance, SoldOut, events
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons
from loopin_sinks.metric_values.values import Values, by_period
from loopin_sinks.store import Store

_STATES: Final = events("event_created", "event_cancelled", "event_published", "event_sold_out")

# A number is epoch ms, a text ISO 8601; without an offset it is UTC.
STARTS: Final = """
    if(JSONType(properties, 'starts_at') IN ('Int64', 'UInt64', 'Double'),
        toInt64(JSONExtractFloat(properties, 'starts_at')),
        toUnixTimestamp64Milli(
            parseDateTime64BestEffortOrNull(JSONExtractString(properties, 'starts_at'), 3, 'UTC')
        )
    )
"""


async def sold_out(store: Store, scope: Scope, _: SoldOut, periods: Periods) -> Values:
    """Of the platform events that started in each period, the share sold out before."""
    return await _of_started(store, scope, periods, "countIf(sold > 0 AND sold < start) / count()")


async def attendance(store: Store, scope: Scope, _: Attendance, periods: Periods) -> Values:
    """Of the pairs of person and joined platform event, the share that was there."""
    return await _of_pairs(store, scope, periods, "countIf(attended) / count()")


async def shared(store: Store, scope: Scope, of: SoldOut | Attendance, periods: Periods) -> Values:
    """How many platform events, or pairs, these are shares of.

    Raises:
        StoreError: the store did not answer.
    """
    count = _of_started if isinstance(of, SoldOut) else _of_pairs
    return await count(store, scope, periods, "toFloat64(count())")


async def _of_started(store: Store, scope: Scope, periods: Periods, value: str) -> Values:
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "start")} AS at, '' AS of, {value} AS value
        FROM ({_started(query, periods)}) GROUP BY at
        """,
    )
    return by_period(rows, periods)


async def _of_pairs(store: Store, scope: Scope, periods: Periods, value: str) -> Values:
    """Of persons and the platform events that they joined before these started."""
    query = Query(scope)
    joined = f"minIf({MS}, event = 'event_joined')"
    found = f"""
        SELECT user, event_id, {joined} AS joined, max(event = 'event_attended') AS attended,
            countIf(event = 'event_joined') AS joins
        FROM {query.events(events("event_joined", "event_attended"), None, scope.now)}
        GROUP BY user, event_id
    """
    rows = await query.rows(
        store,
        f"""
        SELECT {query.period(periods, "start")} AS at, '' AS of, {value} AS value
        FROM (
            SELECT found.event_id AS event_id, minIf(found.joined, found.joins > 0) AS joined,
                max(found.attended) AS attended, sum(found.joins) AS joins
            FROM {of_persons(found)} GROUP BY {PERSON}, event_id
        ) AS pairs
        INNER JOIN ({_started(query, periods)}) AS started ON started.event_id = pairs.event_id
        WHERE joins > 0 AND joined < start GROUP BY at
        """,
    )
    return by_period(rows, periods)


def _started(query: Query, periods: Periods) -> str:
    """Rows of ``event_id``, ``start`` and ``sold`` (ms, 0 for never) of those that began in the periods.

    Whoever says it, bots and the project's own people too, an event is cancelled or published again: the
    last of these before its start counts, of those at the same time the cancellation.
    """
    until, now = min(periods.end, query.scope.now), query.scope.now
    counts = query.of_scope()
    return f"""
        SELECT event_id,
            argMaxIf(ifNull({STARTS}, 0), timestamp, event = 'event_created' AND {counts}) AS start,
            minIf({MS}, event = 'event_sold_out' AND {counts}) AS sold,
            arraySort(groupUniqArrayIf(
                ({MS}, event = 'event_cancelled'), event IN ('event_cancelled', 'event_published')
            )) AS changes
        FROM events WHERE project = {{project:String}} AND ({query.within([(None, now)])})
            AND {query.matches(_STATES)} AND event_id != ''
        GROUP BY event_id
        HAVING start >= toUnixTimestamp64Milli({query.moment(periods.start)})
            AND start < toUnixTimestamp64Milli({query.moment(until)})
            AND NOT arrayFilter(change -> change.1 < start, changes)[-1].2
    """
