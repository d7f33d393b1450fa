"""Steps that follow each other on one platform event."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from loopin_schemas.metrics.definition import Followed
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons
from loopin_sinks.metric_values.values import Values, by_period
from loopin_sinks.store import Store

DAY_MS: Final = 86_400_000


async def followed(store: Store, scope: Scope, of: Followed, periods: Periods) -> Values:
    """Of those with the first step in each period, the share with the second in time.

    The dimensions are the first step's.
    """
    query = Query(scope)
    until = periods.end + timedelta(days=of.days)
    source = query.source(periods.start, until) + " AND event_id != ''"
    first, then = query.bind(of.first, "String"), query.bind(of.then, "String")
    within = f"timestamp < {query.moment(periods.end)} AND {query.chosen}"
    found = f"""
        SELECT user, event_id,
            groupUniqArrayIf(({MS}, {query.of}), event = {first} AND {within}) AS firsts,
            groupUniqArrayIf({MS}, event = {then}) AS thens
        FROM {source} AND event IN ({first}, {then}) GROUP BY user, event_id
    """
    longest = query.bind(of.days * DAY_MS, "Int64")
    rows = await query.rows(
        store,
        f"""
        SELECT at, of, countIf(done) / count() AS value
        FROM (
            SELECT {query.period(periods, "one.1")} AS at, one.2 AS of, person,
                max(arrayExists(moment -> moment > one.1 AND moment <= one.1 + {longest}, thens)) AS done
            FROM (
                SELECT {PERSON} AS person, groupArrayArray(found.firsts) AS firsts,
                    groupArrayArray(found.thens) AS thens
                FROM {of_persons(found)} GROUP BY person, found.event_id
            )
            ARRAY JOIN firsts AS one GROUP BY at, of, person
        )
        GROUP BY at, of
        """,
    )
    return by_period(rows, periods)
