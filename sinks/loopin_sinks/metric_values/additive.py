"""What is a sum over events: from the table ``event_days`` where days are rolled up, else from the events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loopin_schemas.metrics import Dimension
from loopin_sinks.metric_values.active import KEPT, Run, edges_of, period_of, split
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.rollups.measures import Additive, events_of, measure_of, needed, numbers

TOLD_BY: Final[frozenset[Dimension]] = KEPT - {"persona"} | {"event"}
"""Dimensions that the sums of days are kept by; whose events they are, they do not tell."""


def told_days(scope: Scope, of: Additive) -> dict[int, int]:
    """The days whose sums may be read for it, with the version of each that counts."""
    by = () if scope.by is None else (scope.by,)
    if scope.users or not TOLD_BY.issuperset((*scope.where, *scope.only, *by)):
        return {}
    return scope.rolled.telling(needed(of))


def sums(query: Query, of: Additive, periods: Periods) -> str:
    """Rows of ``at`` (start of a period, epoch ms), ``of``, ``number_of_day`` (from 1970-01-01),
    ``code`` (currency), ``counted``, ``added`` and ``exact`` (millionths); several may be alike.
    """
    scope = query.scope
    versions = told_days(scope, of)
    parts = split(scope, versions, periods.edges)
    found = []
    if parts.spans:
        outer = query.source(periods.start, periods.end)
        found.append(_of_events(query, of, periods, f"{outer} AND ({query.within(parts.spans)})", 1))
    if parts.days:
        found += _of_days(query, of, periods, parts.days, versions)
    return " UNION ALL ".join(found)


def _of_days(
    query: Query, of: Additive, periods: Periods, days: Sequence[Run], versions: dict[int, int]
) -> list[str]:
    scope = query.scope
    numbered = [day for first, last in days for day in range(first, last + 1)]
    found = [_rolled(query, of, periods, {day: versions[day] for day in numbered}, "user = 0", 1)]
    if not scope.internal:
        return found
    there = [day for day in numbered if day >= scope.rolled.covered]
    gone = {day: versions[day] for day in numbered if day < scope.rolled.covered}
    own = f"user IN ({query.internal()})"
    if there:
        runs = split(scope, there, periods.edges).days
        spans = [edges_of(scope, run) for run in runs]
        outer = query.of_everybody(spans[0][0], spans[-1][1])
        found.append(_of_events(query, of, periods, f"{outer} AND ({query.within(spans)}) AND {own}", -1))
    if gone:
        found.append(_rolled(query, of, periods, gone, f"user != 0 AND {own}", -1))
    return found


def _rolled(
    query: Query, of: Additive, periods: Periods, versions: dict[int, int], whose: str, sign: int
) -> str:
    scope = query.scope
    names = events_of(of)
    detailed = (*scope.where, *scope.only, *(() if scope.by is None else (scope.by,)))
    by_place = any(dimension != "event" for dimension in detailed)
    first, last = query.bind(min(versions), "UInt16"), query.bind(max(versions), "UInt16")
    return f"""
        SELECT {period_of(query, periods).day} AS at, {query.of} AS of, toInt64(day) AS number_of_day,
            toString(currency) AS code, {sign} * toInt64(number) AS counted, {sign} * total AS added,
            {sign} * millionths AS exact
        FROM event_days
        WHERE {query.of_rolled()} AND by_place = {query.bind(by_place, "Bool")} AND {query.named(names)}
            AND measure = {query.bind(measure_of(of), "String")}
            AND day BETWEEN toDate({first}) AND toDate({last})
            AND version = transform(
                toUInt16(day), {query.bind(list(versions), "Array(UInt16)")},
                {query.bind(list(versions.values()), "Array(UInt64)")}, toUInt64(0)
            )
            AND {whose}
    """


def _of_events(query: Query, of: Additive, periods: Periods, source: str, sign: int) -> str:
    return f"""
        SELECT at, of, number_of_day, one.2 AS code, {sign} * toInt64(one.3) AS counted,
            {sign} * one.4 AS added, {sign} * one.5 AS exact
        FROM (
            SELECT {query.period(periods)} AS at, {query.of} AS of, {query.day} AS number_of_day,
                {numbers(query, of)} AS one
            FROM {source} AND {query.named(events_of(of))} AND {query.chosen}
        )
        WHERE one.3 > 0
    """
