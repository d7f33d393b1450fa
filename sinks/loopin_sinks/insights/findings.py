"""What there is to say about a week of a metric, and how it is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Final

from loopin_schemas.insight import Evidence, Insight
from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics.definition import MonthGrowth
from loopin_schemas.metrics.metric import Unit
from loopin_sinks.insights.unusual import WEEK
from loopin_sinks.metric_history.coverage import known_after
from loopin_sinks.metric_history.stored import Kept
from loopin_sinks.metric_values.calculate import NEVER_NULL
from loopin_sinks.metric_values.scope import EPOCH, Scope, epoch_ms

KEPT_FOR: Final = timedelta(days=7)
"""How long an insight about a day is of interest, from when the day's value is known."""

FAR_FROM_TARGET: Final = 0.5
"""Share of its target below which a key result is far from it."""

_ACRONYMS: Final = frozenset({"api", "arppu", "ctr", "dau", "mau", "otp", "rpu", "wau"})

COUNTED: Final[frozenset[Unit]] = frozenset({"users", "sessions", "views", "events", "count"})
"""Units of whole numbers of something."""


def of_week(scope: Scope, metric: Metric, kept: Kept, monday: int) -> Insight | None:
    """Whether a key result missed its target in a week that is over; None where it did not."""
    value, target = kept.value, metric.target
    if metric.kind != "kr" or not target or value is None or value >= target:
        return None
    show, on = shower(metric.unit, scope.currency), date_of(monday)
    return Insight(
        id=f"{scope.project}/target_missed/{metric.name}/{on}",
        project=scope.project,
        insight_type="target_missed",
        target_id=metric.name,
        title=f"{title_of(metric)} is below its target: {show(value)} of {show(target)}",
        description=f"{show(value)} in the week from {on:%A %-d %B}, where the target is {show(target)}.",
        # Nothing is estimated.
        confidence_score=1.0,
        is_actionable=True,
        suggested_actions=actions(metric),
        priority="high" if value / target < FAR_FROM_TARGET else "medium",
        evidence=Evidence(
            metric=metric.name,
            grain="week",
            start=epoch_ms(scope.midnight(monday)),
            value=value,
            calculated_at=epoch_ms(kept.calculated_at),
            expected=target,
        ),
        created_at=epoch_ms(scope.now),
        expires_at=epoch_ms(scope.midnight(monday + WEEK) + known_after(metric.definition) + KEPT_FOR),
    )


def actions(metric: Metric, grain: Grain = "day") -> tuple[str, ...]:
    """Where to look, one sentence each."""
    path = f"/api/analytics/metrics/{metric.name}"
    found = [f"See its {grain}s: {path}?grain={grain}."]
    if metric.dimensions:
        found.append(f"See where it comes from: {path}?grain={grain}&by={metric.dimensions[0]}.")
    return tuple(found)


def title_of(metric: Metric) -> str:
    """A metric's name as a person writes it."""
    words = [word.upper() if word in _ACRONYMS else word for word in metric.name.split("_")]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


def date_of(day: int) -> date:
    """The date of a day by its number."""
    return EPOCH + timedelta(days=day)


def shower(unit: Unit, currency: str) -> Callable[[float], str]:
    """How a value is told to a person."""
    if unit == "ratio":
        return "{:.1%}".format
    if unit in COUNTED:
        return "{:,.0f}".format
    if unit == "compound":
        return "{:+.2f}".format
    after = {"money": f" {currency}", "ms": " ms", "minutes": " min", "stars": " stars"}[unit]
    return ("{:,.2f}" + after).format


def change_of(metric: Metric, currency: str, value: float, expected: float) -> str:
    """How far a value is from what was expected, for a title: a share of it; ``""`` where that is 0.

    Of what may be negative a share means nothing: then it is the difference, in the metric's unit.
    """
    growth = isinstance(metric.definition, MonthGrowth)
    if growth or metric.unit == "compound" or value < 0 or expected < 0:
        change = value - expected
        if metric.unit == "ratio":
            return f" ({100 * change:+.1f} percentage points)"
        return f" ({'-' if change < 0 else '+'}{shower(metric.unit, currency)(abs(change)).lstrip('+')})"
    return f" ({(value - expected) / expected:+.0%})" if expected else ""


def of_run(metric: Metric, currency: str, run: Sequence[tuple[float, float]]) -> str:
    """The same of periods in a row, each its value and what was expected; of means, of the mean one."""
    parts = 1 if isinstance(metric.definition, NEVER_NULL) else len(run)
    value, expected = (sum(each) / parts for each in zip(*run, strict=True))
    return change_of(metric, currency, value, expected)
