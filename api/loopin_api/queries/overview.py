"""The numbers of the overview: metrics of the catalogue, and how many events there are behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from loopin_api.timespan import Timespan
from loopin_schemas.metrics import by_name
from loopin_schemas.metrics.definition import ACTIVE, Count
from loopin_sinks.metric_values.active import split
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.store import Store

MAX_CURRENCIES: Final = 200
"""Most currencies in an answer, those with the largest revenue; ISO 4217 has fewer."""


@dataclass(frozen=True, slots=True)
class OverviewNumbers:
    """The overview's numbers; ratios 0 to 1, lengths in minutes, money by ISO 4217 code.

    None is what nobody can tell any more: events of a part of the time are gone, and it was not rolled up.
    """

    tracked_events: int | None
    total_events: int | None
    total_users: int
    active_users_today: int
    ticket_conversion: float | None
    avg_session_length: float | None
    revenue: float | None
    other_revenue: Mapping[str, float]
    newest_received: datetime | None


async def overview(store: Store, scope: Scope, span: Timespan) -> OverviewNumbers:
    """Compute the overview of a project over a span.

    Raises:
        StoreError: the store did not answer.
    """
    whole, calculator = Periods((span.start, span.end)), Calculator(store, scope)
    names = (
        "platform_events_created",
        "total_users",
        "dau",
        "ticket_conversion",
        "avg_session_length",
        "revenue",
    )
    (tracked, newest), others, values = await asyncio.gather(
        _tracked(store, calculator, span),
        calculator.unconverted(whole),
        asyncio.gather(*(_value(calculator, name, whole) for name in names)),
    )
    created, users, today, conversion, length, revenue = values
    return OverviewNumbers(
        tracked_events=tracked,
        total_events=None if created is None else int(created),
        total_users=int(users or 0),
        active_users_today=int(today or 0),
        ticket_conversion=conversion,
        avg_session_length=length,
        revenue=revenue,
        other_revenue=largest({code: total for (_, _, code), total in others.items()}),
        newest_received=newest,
    )


async def _tracked(
    store: Store, calculator: Calculator, span: Timespan
) -> tuple[int | None, datetime | None]:
    """How many events there were in the span, and when the last of all before its end was received."""
    scope = await calculator.with_rollups()
    whole = {day: noted for day, noted in scope.rolled.days.items() if noted.whole}
    parts = split(scope, whole, (None, span.start, span.end))
    rolled = [(day, whole[day]) for first, last in parts.days for day in range(first, last + 1)]
    query = Query(scope)
    [row] = await query.rows(
        store,
        f"""
        SELECT countIf(timestamp >= {query.moment(span.start)}) AS tracked, count() AS stored,
            max(received_at) AS newest
        FROM events WHERE project = {{project:String}} AND ({query.within(parts.spans)})
        """,
    )
    first_day = scope.day_of(span.start)
    tracked = row["tracked"] + sum(noted.events for day, noted in rolled if day >= first_day)
    received = [row["newest"]] if row["stored"] else []
    gone = await calculator.unknown(Count(ACTIVE), Periods((span.start, span.end)))
    received += [noted.newest_received for _, noted in rolled if noted.newest_received is not None]
    return None if gone else tracked, max(received, default=None)


async def _value(calculator: Calculator, name: str, whole: Periods) -> float | None:
    metric = by_name(name)
    assert metric is not None, name
    return (await calculator.values(metric.definition, whole)).get((0, ""))


def largest(totals: Mapping[str, float]) -> dict[str, float]:
    """The currencies with the largest sums, by code."""
    ranked = sorted(totals, key=lambda code: (-abs(totals[code]), code))
    return {code: totals[code] for code in sorted(ranked[:MAX_CURRENCIES])}
