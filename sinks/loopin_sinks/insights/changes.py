"""Days of a metric that are far from what is usual."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import sqrt
from statistics import fmean
from typing import Final

from loopin_schemas.insight import Evidence, Insight, Priority
from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.definition import looks_back
from loopin_schemas.metrics.ratios import range_of, ratio_of
from loopin_sinks.alerts.denominators import numbers_of
from loopin_sinks.insights.findings import COUNTED, KEPT_FOR, actions, change_of, date_of, shower, title_of
from loopin_sinks.insights.unusual import WEEK, Noise, Unusual, as_before, of_counts, unusual
from loopin_sinks.metric_anomalies.found import chance_of
from loopin_sinks.metric_history.coverage import known_after
from loopin_sinks.metric_history.stored import Kept
from loopin_sinks.metric_values.calculate import NEVER_NULL, Calculator
from loopin_sinks.metric_values.scope import Scope, epoch_ms, periods

VERY_FAR: Final = 7.0
"""Robust standard deviations from which on a change for the worse is critical: twice the limit."""

_HARDLY: Final = 1e-9
"""What any noise of a ratio is more than."""


async def changes(
    calculator: Calculator, metric: Metric, kept: Mapping[int, Kept], days: Iterable[int]
) -> list[Insight]:
    """What there is to say of these days of a metric, which are over; by number of the day.

    Of how many things a value is made is asked for only where it looks far from what is usual.

    Raises:
        StoreError: the store did not answer.
    """
    if looks_back(metric.definition):
        return []
    values = {at: each.value for at, each in kept.items() if each.value is not None}
    counts = isinstance(metric.definition, NEVER_NULL) and metric.unit in COUNTED
    first = of_counts if counts else _of_ratio if ratio_of(metric.definition) else as_before
    far = {day: found for day in days if (found := unusual(values, day, first)) is not None}
    if far and not counts:
        things = await _things(calculator, metric, min(far), max(far))
        noises = {day: noise_of(metric, *_of_day(things, day)) for day in far}
        far = {
            day: found
            for day, noise in noises.items()
            if noise is not None and (found := unusual(values, day, noise)) is not None
        }
    return [insight_of(calculator.scope, metric, kept[day], values[day], day, of) for day, of in far.items()]


def noise_of(metric: Metric, number: int, usual: float) -> Noise | None:
    """The noise of a day's value that is made of so many things, where so many are usual; None for too few.

    A ratio of numbers has at least what chance makes of that many. A mean of fewer than usual has more, by
    the root of how many times fewer. What adds up is of too few only where more are not usual either.
    """
    if isinstance(metric.definition, NEVER_NULL):
        return as_before if max(number, usual) >= metric.at_least else None
    if (ratio := ratio_of(metric.definition)) is not None:
        if number <= 0 or max(number, usual) < metric.at_least:
            return None
        return lambda expected, spread: max(spread, chance_of(ratio, expected, number))
    if number < max(metric.at_least, 1):
        return None
    return lambda _, spread: spread * sqrt(max(1.0, usual / number))


def _of_ratio(_: float, spread: float) -> float:
    return max(spread, _HARDLY)


async def _things(calculator: Calculator, metric: Metric, first: int, last: int) -> dict[int, float]:
    """Of how many things the values are made, from a week before the first day on; by number of the day."""
    scope, start = calculator.scope, first - WEEK
    asked = periods("day", scope.midnight(start), scope.midnight(last + 1), scope.zone)
    numbers = await numbers_of(calculator, metric.definition, asked)
    return {start + number: numbers.get((number, ""), 0.0) for number in range(len(asked))}


def _of_day(things: Mapping[int, float], day: int) -> tuple[int, float]:
    """How many there are on a day, and on one of the week before."""
    return round(things[day]), fmean(things[at] for at in range(day - WEEK, day))


def insight_of(scope: Scope, metric: Metric, kept: Kept, value: float, day: int, found: Unusual) -> Insight:
    """What is said of a day's ``value`` that is unusual."""
    show, above = shower(metric.unit, scope.currency), found.score > 0
    worse = above != (metric.better == "higher")
    least, most = range_of(metric)
    low, high = max(least, found.low), min(most, found.high)
    change = change_of(metric, scope.currency, value, found.expected)
    on = f"{date_of(day):%A %-d %B}"
    return Insight(
        id=f"{scope.project}/metric_change/{metric.name}/{date_of(day)}",
        project=scope.project,
        insight_type="metric_change",
        target_id=metric.name,
        title=f"{title_of(metric)} was unusually {'high' if above else 'low'} on {on}{change}",
        description=f"{show(value)} on {on}, where {show(found.expected)} is usual and "
        f"up to {show(high if above else low)} is within chance.",
        confidence_score=round(found.confidence, 4),
        is_actionable=worse,
        suggested_actions=actions(metric) if worse else (),
        priority=_priority(found, worse),
        evidence=Evidence(
            metric=metric.name,
            grain="day",
            start=epoch_ms(scope.midnight(day)),
            value=value,
            calculated_at=epoch_ms(kept.calculated_at),
            expected=found.expected,
            low=low,
            high=high,
            compared=tuple(epoch_ms(scope.midnight(at)) for at in found.days),
        ),
        created_at=epoch_ms(scope.now),
        expires_at=epoch_ms(scope.midnight(day + 1) + known_after(metric.definition) + KEPT_FOR),
    )


def _priority(found: Unusual, worse: bool) -> Priority:
    if not worse:
        return "low"
    return "critical" if abs(found.score) >= VERY_FAR else "high"
