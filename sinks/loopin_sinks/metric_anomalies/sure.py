"""Which anomalies are made of enough to mean something."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import fmean
from typing import Final

from msgspec.structs import replace

from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.ratios import ratio_of
from loopin_sinks.alerts.denominators import denominator_of, numbers_of
from loopin_sinks.metric_anomalies.found import LENGTH_MS, MetricAnomaly, by_chance, confidence
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, epoch_ms, from_epoch_ms, periods
from loopin_streams.alerts.seasonal import WARNING

BEFORE: Final[dict[str, int]] = {"hour": 24, "day": 7}
"""Periods before the first anomaly that tell how much is usual."""


async def sure(
    calculator: Calculator, metric: Metric, found: Sequence[MetricAnomaly], *, least: float = WARNING
) -> list[MetricAnomaly]:
    """Those of one metric and grain that rest on ``at_least`` things, or usually would, and score ``least``.

    A ratio is as far off as chance would make of that many things, at most, and is left out where that is
    not far: one failure of thirty payments is nothing, whatever was usual.

    Raises:
        StoreError: the store did not answer.
    """
    if denominator_of(metric.definition) == metric.definition:
        return [each for each in found if max(each.value, each.expected) >= metric.at_least]
    if not found:
        return []
    numbers = await _numbers(calculator, metric, found)
    usual, ratio = fmean(numbers.values()), ratio_of(metric.definition)
    kept = []
    for each in found:
        number = round(numbers.get(each.start, 0.0))
        score = each.score
        if ratio is not None:
            score = min(score, by_chance(ratio, each.value, each.expected, number), key=abs)
        if max(number, usual) >= metric.at_least and abs(score) >= least:
            kept.append(replace(each, score=score, confidence=confidence(score, each.grain)))
    return kept


async def _numbers(
    calculator: Calculator, metric: Metric, found: Sequence[MetricAnomaly]
) -> dict[int, float]:
    """Of how many things the values are made, from some periods before the first on; by start, epoch ms."""
    scope, grain = calculator.scope, found[0].grain
    length = timedelta(milliseconds=LENGTH_MS[grain])
    first, last = (from_epoch_ms(found[at].start) for at in (0, -1))
    if grain == "hour":
        # Of whatever minute they begin at.
        hours = (last - first) // length + 1
        asked = Periods(tuple(first + number * length for number in range(-BEFORE["hour"], hours + 1)))
    else:
        start = scope.midnight(scope.day_of(first) - BEFORE["day"])
        asked = periods("day", start, scope.midnight(scope.day_of(last) + 1), scope.zone)
    values = await numbers_of(calculator, metric.definition, asked)
    return {epoch_ms(at): values.get((number, ""), 0.0) for number, at in enumerate(asked.edges[:-1])}
