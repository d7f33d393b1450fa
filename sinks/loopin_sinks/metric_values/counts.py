"""Events counted and measured, and their users, each in its period."""

from __future__ import annotations

from loopin_schemas.metrics.definition import Count, Mean, Percentile, Sum, Users
from loopin_sinks.metric_values.active import period_of, rows_of
from loopin_sinks.metric_values.additive import sums
from loopin_sinks.metric_values.money import amounts
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import LINKED, PERSON, Query, of_persons
from loopin_sinks.metric_values.values import Values, by_period
from loopin_sinks.store import Store


async def count(store: Store, scope: Scope, of: Count, periods: Periods) -> Values:
    """Numbers of events."""
    return await _added_up(store, scope, of, periods, "sum(counted)")


async def total(store: Store, scope: Scope, of: Sum, periods: Periods) -> Values:
    """Sums of a property."""
    if of.money:
        return await amounts(store, scope, of, periods)
    return await _added_up(store, scope, of, periods, "sumKahan(added)")


async def mean(store: Store, scope: Scope, of: Mean, periods: Periods) -> Values:
    """Means of a property, where there are any."""
    found = await _added_up(store, scope, of, periods, "sumKahan(added) / sum(counted)")
    return {key: (value - of.less) / of.by for key, value in found.items()}


async def _added_up(
    store: Store, scope: Scope, of: Count | Sum | Mean, periods: Periods, value: str
) -> Values:
    query = Query(scope)
    rows = await query.rows(
        store,
        f"""
        SELECT at, of, {value} AS value FROM ({sums(query, of, periods)})
        GROUP BY at, of HAVING sum(counted) > 0
        """,
    )
    return by_period(rows, periods)


async def percentile(store: Store, scope: Scope, of: Percentile, periods: Periods) -> Values:
    """Percentiles of a property, where there are any: exact, so in memory as far as the events' values."""
    query = Query(scope)
    number = query.number(of.property)
    level = query.bind(of.level, "Float64")
    rows = await query.rows(
        store,
        f"""
        SELECT {query.period(periods)} AS at, {query.of} AS of, quantileExact({level})({number}) AS value
        FROM {query.events(of.of, periods.start, periods.end)} AND isNotNull({number})
        GROUP BY at, of
        """,
    )
    return by_period(rows, periods)


async def users(store: Store, scope: Scope, of: Users, periods: Periods) -> Values:
    """Distinct persons. Events by user first: an event's person is dear, a user's is not."""
    query = Query(scope)
    active = rows_of(query, of.of, periods.edges, period_of(query, periods))
    # Grouping by a number alone is several times faster than by a text, too.
    split, several = scope.by is not None, len(periods) > 1
    keys = ", ".join(["user", *["at"] * several, *["of"] * split])
    found = f"""
        SELECT {"at" if several else f"{query.period(periods)} AS at"}, {"of" if split else "'' AS of"}, user,
            {LINKED} AS linked
        FROM ({active}) GROUP BY {keys}
    """
    rows = await query.rows(
        store,
        f"""
        SELECT at, of, countIf(NOT linked) + uniqExactIf({PERSON}, linked) AS value
        FROM {of_persons(found)} GROUP BY at, of
        """,
    )
    return by_period(rows, periods)
