"""Revenue and other amounts in the project's currency."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from loopin_schemas.catalogue import CATALOGUE
from loopin_schemas.metrics.definition import Events, Revenue, Sum, events
from loopin_sinks.metric_values.scope import EPOCH, Periods, Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store

MAX_AMOUNT: Final = 1e12
"""Amounts from here on, of either sign, are a client's error and do not count."""

OTHER: Final = "other"
"""What stands for all currencies that are not three letters."""

PURCHASES: Final = tuple(event.name for event in CATALOGUE if event.revenue > 0)
REFUNDS: Final = tuple(event.name for event in CATALOGUE if event.revenue < 0)

_MILLION: Final = 1_000_000


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
    found = await _by_currency(store, query, of.of, query.number(of.property), "1", periods)
    return converted(scope, found)


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
    sign = f"if(event IN {query.bind(list(PURCHASES), 'Array(String)')}, 1, -1)"
    return await _by_currency(store, query, events(*PURCHASES, *REFUNDS), "amount", sign, periods)


async def _by_currency(
    store: Store, query: Query, of: Events, number: str, sign: str, periods: Periods
) -> list[Taking]:
    most, rated = query.bind(MAX_AMOUNT, "Float64"), query.bind(list(query.scope.rates), "Array(String)")
    rows = await query.rows(
        store,
        f"""
        WITH upper(trim(BOTH ' ' FROM toString(currency))) AS given
        SELECT {query.period(periods)} AS at, {query.of} AS of, if(code IN {rated}, {query.day}, 0) AS day,
            multiIf(given = '', '', match(given, '^[A-Z][A-Z][A-Z]$'), given, '{OTHER}') AS code,
            toString(sum({sign} * toInt128(toInt64(round(assumeNotNull({number}) * {_MILLION})))))
                AS millionths
        FROM {query.events(of, periods.start, periods.end)}
            AND isNotNull({number}) AND abs({number}) < {most}
        GROUP BY at, of, day, code
        """,
    )
    return [
        Taking(
            periods.number[row["at"]],
            row["of"],
            row["code"],
            EPOCH + timedelta(days=row["day"]),
            Decimal(row["millionths"]) / _MILLION,
        )
        for row in rows
    ]
