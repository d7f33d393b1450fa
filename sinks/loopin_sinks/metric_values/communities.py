"""Members who are in a community at the same time."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from loopin_schemas.metrics.definition import ACTIVE, OnlineMembers
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.sql import MS, Query, stretches
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store

_MINUTE_MS: Final = 60_000


async def online_members(store: Store, scope: Scope, of: OnlineMembers, periods: Periods) -> Values:
    """Over each period's minutes, up to now, the mean or greatest number of persons active lately."""
    query = Query(scope)
    # A minute is of the period in which it begins.
    edges = [-(-epoch_ms(edge) // _MINUTE_MS) for edge in periods.edges]
    edges[-1] = min(edges[-1], epoch_ms(scope.now) // _MINUTE_MS + 1)
    since = periods.start - timedelta(minutes=of.minutes)
    found = f"""
        SELECT {query.of} AS of, user, groupUniqArray(intDiv({MS}, {_MINUTE_MS})) AS times
        FROM {query.events(ACTIVE, since, periods.end)} AND community_id != '' GROUP BY of, user
    """
    bounds, last = query.bind(edges[:-1], "Array(Int64)"), query.bind(edges[-1], "Int64")
    rows = await query.rows(
        store,
        f"""
        WITH changes AS (
            SELECT of, at AS minute, change FROM ({stretches(found, query.bind(of.minutes, "Int64"))})
        )
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
