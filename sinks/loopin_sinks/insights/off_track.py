"""Whether a metric has left the way that was forecast."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final, NamedTuple

from loopin_schemas.insight import Evidence, Insight
from loopin_schemas.metrics import Metric
from loopin_sinks.forecasts.stored import Told
from loopin_sinks.insights.findings import KEPT_FOR, actions, date_of, of_run, shower, title_of
from loopin_sinks.metric_history.coverage import known_after
from loopin_sinks.metric_history.stored import Kept
from loopin_sinks.metric_values.scope import Scope, epoch_ms

AGO: Final = timedelta(days=7)
"""How old the forecast is that days are judged by: one of yesterday follows whatever has happened."""

LEAST_DAYS: Final = 2
"""Days in a row beyond the same end of their intervals: chance alone leaves them one day in twenty."""

LEVEL: Final = 0.95
"""Of the intervals."""


class _Day(NamedTuple):
    day: int
    kept: Kept
    value: float
    told: Told
    side: int
    """-1 below the interval, 1 above it, 0 within or where there is none."""


def off_track(
    scope: Scope, metric: Metric, kept: Mapping[int, Kept], told: Mapping[int, Told]
) -> Insight | None:
    """What there is to say of the last days that are over; None where they are as was forecast.

    Args:
        scope: the project, and the time now.
        metric: the metric.
        kept: what is known of it, by number of the day.
        told: what was forecast, by start of the day in epoch ms.
    """
    run = _run(scope, kept, told)
    if len(run) < LEAST_DAYS:
        return None
    first, last = run[0], run[-1]
    show, above = shower(metric.unit, scope.currency), last.side > 0
    worse = above != (metric.better == "higher")
    change = of_run(metric, scope.currency, [(each.value, each.told.day.value) for each in run])
    since, on = f"{date_of(first.day):%A %-d %B}", f"{date_of(last.day):%A %-d %B}"
    way = "above" if above else "below"
    low, high = last.told.day.low_95, last.told.day.high_95
    assert low is not None, "it is beyond an end"
    assert high is not None
    return Insight(
        id=f"{scope.project}/forecast_off_track/{metric.name}/{date_of(first.day)}",
        project=scope.project,
        insight_type="forecast_off_track",
        target_id=metric.name,
        title=f"{title_of(metric)} has been {way} its forecast since {since}{change}",
        description=f"{show(last.value)} on {on}, where {show(last.told.day.value)} was forecast, and "
        f"{show(low)} to {show(high)} with a probability of {LEVEL:.0%}; {len(run)} days in a row.",
        confidence_score=LEVEL,
        is_actionable=worse,
        suggested_actions=(*actions(metric), _forecast_of(metric)) if worse else (),
        priority="high" if worse else "low",
        evidence=Evidence(
            metric=metric.name,
            grain="day",
            start=epoch_ms(scope.midnight(last.day)),
            value=last.value,
            calculated_at=epoch_ms(last.kept.calculated_at),
            expected=last.told.day.value,
            low=low,
            high=high,
            forecast_made_at=last.told.made_at,
            model_version=last.told.model_version,
            since=epoch_ms(scope.midnight(first.day)),
        ),
        created_at=epoch_ms(scope.now),
        expires_at=epoch_ms(scope.midnight(last.day + 1) + known_after(metric.definition) + KEPT_FOR),
    )


def _forecast_of(metric: Metric) -> str:
    return f"See what is expected by now: /api/analytics/predictions?kind=forecast&metric={metric.name}."


def _run(scope: Scope, kept: Mapping[int, Kept], told: Mapping[int, Told]) -> list[_Day]:
    """The last known days that lie beyond the same end, in order."""
    run: list[_Day] = []
    for day in sorted(kept, reverse=True):
        judged = _judged(day, kept[day], told.get(epoch_ms(scope.midnight(day))))
        if (
            judged is None
            or judged.side == 0
            or run
            and (judged.side, judged.day + 1) != (run[-1].side, run[-1].day)
        ):
            break
        run.append(judged)
    return run[::-1]


def _judged(day: int, kept: Kept, told: Told | None) -> _Day | None:
    if told is None or kept.value is None or told.day.low_95 is None or told.day.high_95 is None:
        return None
    side = (kept.value > told.day.high_95) - (kept.value < told.day.low_95)
    return _Day(day, kept, kept.value, told, side)
