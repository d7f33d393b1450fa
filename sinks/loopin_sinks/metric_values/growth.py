"""A month so far against the month before."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import NamedTuple

from loopin_schemas.metrics.definition import Count, MonthGrowth, Revenue, Users
from loopin_sinks.metric_values.active import moment_of, rows_of
from loopin_sinks.metric_values.counts import count
from loopin_sinks.metric_values.money import revenue
from loopin_sinks.metric_values.scope import EPOCH, Periods, Scope
from loopin_sinks.metric_values.sql import PERSON, Query, of_persons
from loopin_sinks.metric_values.values import Values, by_period
from loopin_sinks.store import Store


class _Months(NamedTuple):
    """Two spans to compare, each from the first of its month."""

    before: tuple[datetime, datetime]
    this: tuple[datetime, datetime]


async def month_growth(store: Store, scope: Scope, of: MonthGrowth, periods: Periods) -> Values:
    """Growth as of each period's end; null where there was nothing before.

    All spans are cut at each other's edges, so that one query tells the pieces that they are made of.
    """
    months = [_months(scope, periods, number) for number in range(len(periods))]
    edges = {edge for each in months for span in each for edge in span}
    pieces = Periods(tuple(sorted(edges)))
    found = await _pieces(store, scope, of.of, pieces)
    by_value: dict[str, dict[int, float]] = defaultdict(dict)
    for (piece, value), number in found.items():
        by_value[value][piece] = number
    growth: Values = {}
    for value, numbers in by_value.items():
        for at, (before, this) in enumerate(months):
            former, latter = _sum(numbers, pieces, before), _sum(numbers, pieces, this)
            if former > 0:
                growth[at, value] = (latter - former) / former
    return growth


def _months(scope: Scope, periods: Periods, number: int) -> _Months:
    """What to compare as of a period's end: where its last day is not over, up to the same time of day."""
    end = min(periods.edges[number + 1], scope.now)
    last = scope.day_of(end - timedelta(milliseconds=1))
    day = EPOCH + timedelta(days=last)
    first = day.replace(day=1)
    former = (first - timedelta(days=1)).replace(day=1)
    same_day = min(day.day, (first - former).days)
    begins, same = (former - EPOCH).days, (former - EPOCH).days + same_day - 1
    passed = end - scope.midnight(last) if end < scope.midnight(last + 1) else timedelta(days=1)
    until = min(scope.midnight(same) + passed, scope.midnight(same + 1))
    return _Months((scope.midnight(begins), until), (scope.midnight((first - EPOCH).days), end))


async def _pieces(store: Store, scope: Scope, of: Count | Users | Revenue, pieces: Periods) -> Values:
    if isinstance(of, Count):
        return await count(store, scope, of, pieces)
    if isinstance(of, Revenue):
        return await revenue(store, scope, of, pieces)
    return await _first_of_the_month(store, scope, of, pieces)


async def _first_of_the_month(store: Store, scope: Scope, of: Users, pieces: Periods) -> Values:
    """Persons by the piece in which a month of theirs begins: those of a month's pieces add up."""
    query = Query(scope)
    month = f"toStartOfMonth(fromUnixTimestamp64Milli(at), {query.bind(scope.zone_name, 'String')})"
    found = f"""
        SELECT of, {month} AS month, user, min(at) AS first
        FROM ({rows_of(query, of.of, pieces.edges, moment_of(query))}) GROUP BY of, month, user
    """
    rows = await query.rows(
        store,
        f"""
        SELECT of, {query.period(pieces, "began")} AS at, count() AS value
        FROM (
            SELECT of, min(found.first) AS began FROM {of_persons(found)} GROUP BY of, found.month, {PERSON}
        )
        GROUP BY of, at
        """,
    )
    return by_period(rows, pieces)


def _sum(numbers: dict[int, float], pieces: Periods, span: tuple[datetime, datetime]) -> float:
    first, until = pieces.edges.index(span[0]), pieces.edges.index(span[1])
    return sum(number for piece, number in numbers.items() if first <= piece < until)
