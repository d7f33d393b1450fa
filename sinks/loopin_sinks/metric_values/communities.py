"""Members who are in a community at the same time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from loopin_schemas.metrics.definition import ACTIVE, OnlineMembers
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store

_MINUTE_MS: Final = 60_000


async def online_members(store: Store, scope: Scope, of: OnlineMembers, periods: Periods) -> Values:
    """Over each period's minutes, up to now, the mean or greatest number of persons who were active lately.

    As with the users of trailing days, whoever is active counts from that minute on until ``minutes`` later
    or their next active minute.
    """
    query = Query(scope)
    edges = [epoch_ms(edge) // _MINUTE_MS for edge in periods.edges]
    edges[-1] = min(edges[-1], epoch_ms(scope.now) // _MINUTE_MS + 1)
    length = query.bind(of.minutes, "Int64")
    since = periods.start - timedelta(minutes=of.minutes)
    found = f"""
        SELECT {query.of} AS of, user, groupUniqArray(intDiv({MS}, {_MINUTE_MS})) AS minutes
        FROM {query.events(ACTIVE, since, periods.end)} AND community_id != '' GROUP BY of, user
    """
    changes = f"""
        SELECT of, one.1 AS minute, sum(one.2) AS change
        FROM (
            SELECT of, arraySort(arrayDistinct(groupArrayArray(found.minutes))) AS active,
                arrayPopFront(arrayPushBack(active, active[-1] + {length})) AS following,
                arrayPushFront(arrayPopBack(active), active[1] - {length}) AS former,
                arrayConcat(
                    arrayMap(at -> (at, toInt64(1)),
                        arrayFilter((at, before) -> at - before >= {length}, active, former)),
                    arrayMap(at -> (at + {length}, toInt64(-1)),
                        arrayFilter((at, after) -> after - at >= {length}, active, following))
                ) AS changes
            FROM {of_persons(found)} GROUP BY of, {PERSON}
        )
        ARRAY JOIN changes AS one GROUP BY of, minute
    """
    bounds, last = query.bind(edges[:-1], "Array(Int64)"), query.bind(edges[-1], "Int64")
    rows = await query.rows(
        store,
        f"""
        WITH changes AS ({changes})
        SELECT of, number, sum(online * (until - minute)) AS total, max(online) AS most
        FROM (
            SELECT of, minute, number, sum(change) OVER history AS online,
                leadInFrame(minute, 1, {last}) OVER (
                    PARTITION BY of ORDER BY minute ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
                ) AS until
            FROM (
                SELECT of, minute, sum(change) AS change,
                    toInt64(arrayCount(edge -> edge <= minute, {bounds})) - 1 AS number
                FROM (
                    SELECT of, minute, change FROM changes
                    UNION ALL
                    SELECT DISTINCT of, arrayJoin({bounds}) AS minute, toInt64(0) AS change FROM changes
                )
                WHERE minute < {last} GROUP BY of, minute
            )
            WINDOW history AS (PARTITION BY of ORDER BY minute ROWS UNBOUNDED PRECEDING)
        )
        WHERE number >= 0 GROUP BY of, number
        """,
    )
    if of.statistic == "peak":
        return {(row["number"], row["of"]): float(row["most"]) for row in rows}
    lengths = [after - before for before, after in zip(edges, edges[1:], strict=False)]
    return {
        (row["number"], row["of"]): row["total"] / lengths[row["number"]]
        for row in rows
        if lengths[row["number"]] > 0
    }
