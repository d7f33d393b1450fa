"""The hour up to now of the metrics that the stream adds up, judged by the hours of former weeks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import isfinite
from typing import Final, NamedTuple

from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.ratios import range_of
from loopin_schemas.metrics.stream import series_of
from loopin_sinks.alerts.judge import PAST
from loopin_sinks.metric_anomalies.found import (
    LEAST_CHANGE,
    MetricAnomaly,
    Point,
    confidence,
    judged_grain,
    kind_of,
)
from loopin_sinks.metric_anomalies.sure import sure
from loopin_sinks.metric_history.stored import kept_name, kept_series
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.store import Store
from loopin_streams.alerts.seasonal import CRITICAL, Expected, SeasonalModel
from loopin_streams.windows.grains import HOUR_MS

HOUR: Final = timedelta(hours=1)


class LiveAnomaly(NamedTuple):
    """The hour up to now of a metric."""

    metric: Metric
    of: MetricAnomaly


def is_live(metric: Metric) -> bool:
    """Whether the stream adds it up, by hour too."""
    return judged_grain(metric) == "hour" and series_of(metric) is not None


async def live_anomalies(
    store: Store, scope: Scope, metrics: Sequence[Metric], end: datetime
) -> list[LiveAnomaly]:
    """The hour that ends at ``end``, of each metric of which it is far from what is usual.

    Only what scores ``CRITICAL``: an hour is looked at again every few minutes. Raises StoreError.
    """
    live = [metric for metric in metrics if is_live(metric)]
    # Nothing of the hour that is judged is learned from.
    since, until = end - timedelta(hours=PAST["hour"]), end - 2 * HOUR
    series = await kept_series(store, scope, live, "hour", since, until)
    calculator, hour = Calculator(store, replace(scope, now=end)), Periods((end - HOUR, end))
    found = []
    for metric in live:
        points = [Point(*each) for each in series.get(kept_name(metric), ())]
        if not points:
            continue
        values = await calculator.values(metric.definition, hour)
        expected = await asyncio.to_thread(expected_hour, metric, points, epoch_ms(hour.start), scope)
        anomaly = judged_hour(metric, values.get((0, "")), expected, epoch_ms(hour.start), len(points), scope)
        if anomaly is not None and (far := await sure(calculator, metric, [anomaly], least=CRITICAL)):
            found.append(LiveAnomaly(metric, far[0]))
    return found


def expected_hour(metric: Metric, points: Sequence[Point], start: int, scope: Scope) -> Expected | None:
    """What an hour that begins at any epoch ms should show: between what the two hours should that it is of.

    None as long as too little is known. The range is that of ``CRITICAL``.
    """
    model = SeasonalModel("hour", kind_of(metric), zone=scope.zone)
    for point in points:
        if isfinite(point.value):
            model.learn(point.start, point.value)
    # Hours of the zone begin where its first one does: those of some zones at half past.
    first = points[-1].start + (start - points[-1].start) // HOUR_MS * HOUR_MS
    share = (start - first) / HOUR_MS
    one, other = model.expected(first, CRITICAL), model.expected(first + HOUR_MS, CRITICAL)
    if one is None or other is None:
        return None
    return between(one, other, share)


def between(one: Expected, other: Expected, share: float) -> Expected:
    """What is expected of an hour of which this share lies in the other one."""
    return Expected(*(a + share * (b - a) for a, b in zip(one, other, strict=True)))


def judged_hour(
    metric: Metric, value: float | None, expected: Expected | None, start: int, compared: int, scope: Scope
) -> MetricAnomaly | None:
    """An hour's value, where it is beyond the range of what was expected; else None.

    ``start`` is in epoch ms, ``compared`` the number of hours that tell what is usual.
    """
    if value is None or expected is None or not isfinite(value):
        return None
    center, low, high = expected
    room = high - center if value > center else center - low
    away = value - center
    if room <= 0 or abs(away) < room or abs(away) < LEAST_CHANGE * abs(center):
        return None
    least, most = range_of(metric)
    score = CRITICAL * away / room
    return MetricAnomaly(
        metric=metric.name,
        grain="hour",
        start=start,
        value=value,
        expected=center,
        low=max(least, low),
        high=min(most, high),
        score=score,
        confidence=confidence(score, "hour"),
        compared=compared,
        calculated_at=epoch_ms(scope.now),
        found_at=epoch_ms(scope.now),
    )
