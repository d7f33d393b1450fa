"""Which periods of a metric are far from what is usual: the seasonal model of the alerts, over its past."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from math import isfinite, sqrt
from typing import Final, NamedTuple

import msgspec

from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics.definition import looks_back
from loopin_schemas.metrics.ratios import Ratio, range_of
from loopin_sinks.metric_values.calculate import NEVER_NULL
from loopin_streams.alerts.seasonal import WARNING, Kind, SeasonalModel
from loopin_streams.windows.grains import DAY_MS, HOUR_MS

LEAST_CHANGE: Final = 0.1
"""A smaller share of what is expected interests nobody, however sure it is."""

MOST_SURE: Final = 0.99
"""Models are no surer than that."""

_FALSE_AT_WARNING: Final = 3e-4
_FALSE_AT_CRITICAL: Final = 1e-5
"""Shares of calm periods that score above 4 and above 6: see :mod:`loopin_streams.alerts.seasonal`."""

_A_WEEK: Final[dict[Grain, int]] = {"hour": 168, "day": 7}

LENGTH_MS: Final[dict[Grain, int]] = {"hour": HOUR_MS, "day": DAY_MS}


class Point(NamedTuple):
    """A metric's value in the period that begins at epoch ms ``start``, and when it was calculated."""

    start: int
    value: float
    calculated_at: int


class MetricAnomaly(msgspec.Struct, frozen=True, kw_only=True):
    """A period of a metric that is not as usual; times epoch ms, values in the metric's unit.

    Attributes:
        metric: its name.
        grain: length of the period.
        start: its start.
        value: what the metric came to in it.
        expected: what is usual at this time of the week.
        low, high: between which values nothing would be said.
        score: robust standard deviations from what is expected, negative below it.
        confidence: probability that a week in which nothing happened shows nothing so far off, 0 to 0.99.
        compared: number of periods that tell what is usual.
        calculated_at: when the value was calculated.
        found_at: when it was found first.
    """

    metric: str
    grain: Grain
    start: int
    value: float
    expected: float
    low: float
    high: float
    score: float
    confidence: float
    compared: int
    calculated_at: int
    found_at: int = 0


def kind_of(metric: Metric) -> Kind:
    """Whether its noise grows with its level."""
    return "count" if isinstance(metric.definition, NEVER_NULL) else "value"


def judged_grain(metric: Metric) -> Grain | None:
    """The grain that a metric is judged by: its hours or, if it is made of days, its days; None for never.

    What is made mostly of the days before, as all users so far, has no season: what is new in it has.
    """
    if looks_back(metric.definition):
        return None
    return next((grain for grain in ("hour", "day") if grain in metric.grains), None)


def anomalies(
    metric: Metric, grain: Grain, points: Sequence[Point], since: int, zone: tzinfo
) -> list[MetricAnomaly]:
    """The periods from epoch ms ``since`` on that are far from what all before them lets expect, in order.

    Nothing is said before the model has seen enough: two weeks of hours, four of days, or half of that where
    nothing ever changed. Periods that are missing are not known; values that are no numbers are left out.

    Args:
        metric: the metric.
        grain: hour or day.
        points: its values in order, those before ``since`` to learn from.
        since: the first period to judge.
        zone: whose hours and weekdays are the seasons.
    """
    if grain not in _A_WEEK:
        raise ValueError(f"Periods are judged by hour or day, not by {grain}")
    model = SeasonalModel("hour" if grain == "hour" else "day", kind_of(metric), zone=zone)
    least, most = range_of(metric)
    found: list[MetricAnomaly] = []
    known = [point for point in points if isfinite(point.value)]
    for number, (start, value, calculated_at) in enumerate(known):
        score = model.score(start, value) if start >= since else None
        fired = score is not None and abs(score) >= WARNING
        if score is not None and fired:
            expected = model.expected(start)
            assert expected is not None, "there is a score"
            if abs(value - expected.center) >= LEAST_CHANGE * abs(expected.center):
                found.append(
                    MetricAnomaly(
                        metric=metric.name,
                        grain=grain,
                        start=start,
                        value=value,
                        expected=expected.center,
                        low=max(least, expected.low),
                        high=min(most, expected.high),
                        score=score,
                        confidence=confidence(score, grain),
                        compared=number,
                        calculated_at=calculated_at,
                    )
                )
        model.learn(start, value, fired)
    return found


def confidence(score: float, grain: Grain) -> float:
    """Probability that a week in which nothing happened shows nothing so far off, 0 to ``MOST_SURE``.

    Between the two scores of which it is known how often calm periods pass them, and beyond, the share falls
    by the same factor with each step.
    """
    steps = (abs(score) - WARNING) / 2
    false: float = _FALSE_AT_WARNING * (_FALSE_AT_CRITICAL / _FALSE_AT_WARNING) ** steps
    return round(min(MOST_SURE, max(0.0, 1 - _A_WEEK[grain] * false)), 4)


def by_chance(ratio: Ratio, value: float, expected: float, number: int) -> float:
    """How many standard deviations a ratio over so many things is from what was expected, by chance alone.

    0 for none.
    """
    return (value - expected) / chance_of(ratio, expected, number) if number > 0 else 0.0


def chance_of(ratio: Ratio, expected: float, number: int) -> float:
    """The standard deviation of a ratio over so many things, at least one, by chance alone.

    Of a share that is ``sqrt(p (1 - p) / number)``, with p as of two more things, one of each kind, so that
    what never happened is not impossible. Of a rate r it is ``sqrt(r (1 + r) / number)``, with r as of one
    more of both: two independent Poisson numbers, by the delta method, which adds up the squares of their
    relative errors (G. Casella and R. Berger, Statistical Inference, 2002, section 5.5.4).
    """
    if ratio == "rate":
        r = (max(0.0, expected) * number + 1) / (number + 1)
        return sqrt(r * (1 + r) / number)
    p = (min(1.0, max(0.0, expected)) * number + 1) / (number + 2)
    return sqrt(p * (1 - p) / number)
