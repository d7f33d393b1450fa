"""Revenue and other amounts in the project's currency."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import NamedTuple

from loopin_schemas.metrics.definition import Revenue, Sum
from loopin_sinks.metric_values.additive import sums
from loopin_sinks.metric_values.amounts import CODE, MAX_AMOUNT, MILLION
from loopin_sinks.metric_values.scope import EPOCH, Periods, Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store


class Taking(NamedTuple):
    """Purchases less refunds of one period, value of the dimension and currency.

    ``day`` is 1970-01-01 where no rate depends on it.
    """

    period: int
    of: str
    currency: str
    day: date
    amount: Decimal


async def revenue(store: Store, scope: Scope, _: Revenue, periods: Periods) -> Values:
    """Purchases less refunds, exact to a millionth, in currencies that are the project's or have a rate."""
    return converted(scope, await takings(store, scope, periods))


async def amounts(store: Store, scope: Scope, of: Sum, periods: Periods) -> Values:
    """Sums of a property that is money, exact to a millionth, where there is a rate. Raises StoreError."""
    query = Query(scope)
    number = query.number(of.property)
    exact = f"toInt128(toInt64(round(assumeNotNull({number}) * {MILLION})))"
    counts = f"isNotNull({number}) AND abs({number}) < {query.bind(MAX_AMOUNT, 'Float64')}"
    found = f"""
        SELECT {query.period(periods)} AS at, {query.of} AS of, {query.day} AS number_of_day, {CODE} AS code,
            1 AS counted, {exact} AS exact
        FROM {query.events(of.of, periods.start, periods.end)} AND {counts}
    """
    return converted(scope, await _taken(store, query, found, periods))


def converted(scope: Scope, found: Iterable[Taking]) -> Values:
    """What was taken in currencies that are the project's or have a rate."""
    totals: dict[tuple[int, str], Decimal] = defaultdict(Decimal)
    for number, of, currency, day, amount in found:
        worth = rate(scope, currency, day)
        if worth is not None:
            totals[number, of] += amount * Decimal(repr(worth))
    return {key: float(total) for key, total in totals.items()}


async def unconverted(store: Store, scope: Scope, periods: Periods) -> dict[tuple[int, str, str], float]:
    """By period, value of the dimension and currency: the revenue for which there is no rate."""
    return without_rate(scope, await takings(store, scope, periods))


def without_rate(scope: Scope, found: Iterable[Taking]) -> dict[tuple[int, str, str], float]:
    """What was taken in the others, each by itself."""
    totals: dict[tuple[int, str, str], Decimal] = defaultdict(Decimal)
    for number, of, currency, day, amount in found:
        if rate(scope, currency, day) is None:
            totals[number, of, currency] += amount
    return {key: float(total) for key, total in totals.items()}


def rate(scope: Scope, currency: str, day: date) -> float | None:
    """What one unit of a currency was worth on a day; None if nobody has told. ``""`` is the project's."""
    if currency in ("", scope.currency):
        return 1.0
    known = scope.rates.get(currency, ())
    position = bisect_right([since for since, _ in known], day)
    return known[position - 1][1] if position else None


async def takings(store: Store, scope: Scope, periods: Periods) -> list[Taking]:
    """Purchases less refunds by all that their worth depends on. Raises StoreError."""
    query = Query(scope)
    return await _taken(store, query, sums(query, Revenue(), periods), periods)


async def _taken(store: Store, query: Query, found: str, periods: Periods) -> list[Taking]:
    """By currency, and by day where that has a rate, what rows like those of ``sums`` come to."""
    rated = query.bind(list(query.scope.rates), "Array(String)")
    rows = await query.rows(
        store,
        f"""
        SELECT at, of, if(code IN {rated}, number_of_day, 0) AS rated_day, code,
            toString(sum(exact)) AS millionths
        FROM ({found})
        GROUP BY at, of, rated_day, code HAVING sum(counted) > 0
        """,
    )
    return [
        Taking(
            periods.number[row["at"]],
            row["of"],
            row["code"],
            EPOCH + timedelta(days=row["rated_day"]),
            Decimal(row["millionths"]) / MILLION,
        )
        for row in rows
    ]
