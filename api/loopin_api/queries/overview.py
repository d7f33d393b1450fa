"""The numbers of the overview: metrics of the catalogue, and how many events there are behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from loopin_api.timespan import Timespan
from loopin_schemas.metrics import by_name
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.money import unconverted
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.store import Store

MAX_CURRENCIES: Final = 200
"""Most currencies in an answer, those with the largest revenue; ISO 4217 has fewer."""

_STORED: Final = """
SELECT
    countIf(timestamp >= {start:DateTime64(3, 'UTC')}) AS tracked_events,
    count() AS stored,
    toUnixTimestamp64Milli(max(received_at)) AS newest_ms
FROM events
WHERE project = {project:String} AND timestamp < {end:DateTime64(3, 'UTC')}
"""


@dataclass(frozen=True, slots=True)
class OverviewNumbers:
    """The overview's numbers; ratios 0 to 1, lengths in minutes, money by ISO 4217 code."""

    tracked_events: int
    total_events: int
    total_users: int
    active_users_today: int
    ticket_conversion: float | None
    avg_session_length: float | None
    revenue: float
    other_revenue: Mapping[str, float]
    newest_received: datetime | None


async def overview(store: Store, scope: Scope, span: Timespan) -> OverviewNumbers:
    """Compute the overview of a project over a span.

    Raises:
        StoreError: the store did not answer.
    """
    whole, calculator = Periods((span.start, span.end)), Calculator(store, scope)
    bound: dict[str, object] = {"project": scope.project, "start": span.start, "end": span.end}
    names = (
        "platform_events_created",
        "total_users",
        "dau",
        "ticket_conversion",
        "avg_session_length",
        "revenue",
    )
    (stored,), others, *values = await asyncio.gather(
        store.query(_STORED, bound),
        unconverted(store, scope, whole),
        *(_value(calculator, name, whole) for name in names),
    )
    created, users, today, conversion, length, revenue = values
    return OverviewNumbers(
        tracked_events=stored["tracked_events"],
        total_events=int(created or 0),
        total_users=int(users or 0),
        active_users_today=int(today or 0),
        ticket_conversion=conversion,
        avg_session_length=length,
        revenue=revenue or 0.0,
        other_revenue=largest({code: total for (_, _, code), total in others.items()}),
        newest_received=_moment(stored["newest_ms"]) if stored["stored"] else None,
    )


async def _value(calculator: Calculator, name: str, whole: Periods) -> float | None:
    metric = by_name(name)
    assert metric is not None, name
    return (await calculator.values(metric.definition, whole)).get((0, ""))


def largest(totals: Mapping[str, float]) -> dict[str, float]:
    """The currencies with the largest sums, by code."""
    ranked = sorted(totals, key=lambda code: (-abs(totals[code]), code))
    return {code: totals[code] for code in sorted(ranked[:MAX_CURRENCIES])}


def _moment(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
