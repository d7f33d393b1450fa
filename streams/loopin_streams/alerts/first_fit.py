"""The first guess at what a series shows in each slot of the week, and at its noise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from math import sqrt
from statistics import median
from typing import Final, NamedTuple, TypeVar

from loopin_streams.alerts.robust import LOCATION_CLIP, clipped, location, slope, spread
from loopin_streams.alerts.slots import WEEKDAYS

T = TypeVar("T")

FEW: Final = 6
"""Differences below this tell nothing of an hour's noise; that of all hours stands in."""

OWN: Final = 2
"""Weeks that what hour and weekday say counts for beside a slot's own."""


class Fit(NamedTuple):
    """What is expected in each slot of a week, and the variance of what comes beside it, by hour of day."""

    centers: list[float]
    variances: list[float]


def fit_weeks(values: Sequence[tuple[int, float] | None], hours: int, weeks: int, factors: bool) -> Fit:
    """Fit consecutive periods, each as its slot of the week and its value; None is a missing one.

    ``hours`` are the slots of a day (24, or 1 for days), a slot is ``weekday * hours + hour``. Hour and
    weekday together (``factors``: multiplied; else added) say what a slot should show, as one step of
    Tukey's median polish. Where its own values agree within the noise, its center is between the two; else it
    is the median of the values and what should be, so that of two weeks the ordinary one counts.

    The noise is taken from differences to the week before, which have no season: their variance is twice that
    of the values; to it comes the error of a center that is known from so many ``weeks`` only.

    Raises:
        StatisticsError: no value at all.
    """
    variances = _variances(values, hours)
    centers = _centers([value for value in values if value is not None], variances, factors)
    return Fit(centers, [variance * (1 + 1 / (weeks + OWN)) for variance in variances])


def _variances(values: Sequence[tuple[int, float] | None], hours: int) -> list[float]:
    by_hour: dict[int, list[float]] = defaultdict(list)
    for before, after in zip(values, values[WEEKDAYS * hours :], strict=False):
        if before is not None and after is not None:
            by_hour[after[0] % hours].append(after[1] - before[1])
    everything = [difference for differences in by_hour.values() for difference in differences]
    variances: list[float] = []
    for hour in range(hours):
        near = [one for at in {(hour - 1) % hours, hour, (hour + 1) % hours} for one in by_hour[at]]
        variances.append(spread(near if len(near) >= FEW else everything) ** 2 / 2)
    return variances


def _centers(values: Sequence[tuple[int, float]], variances: Sequence[float], factors: bool) -> list[float]:
    hours = len(variances)
    by_hour = _grouped((slot % hours, value) for slot, value in values)
    middle = location([value for _, value in values])
    of_hour = [location(by_hour[hour]) if by_hour[hour] else middle for hour in range(hours)]
    by_weekday = _grouped((slot // hours, (of_hour[slot % hours], value)) for slot, value in values)
    should: list[float] = []
    for weekday in range(WEEKDAYS):
        factor, more = _of_weekday(by_weekday[weekday], factors)
        should.extend(factor * usual + more for usual in of_hour)
    by_slot = _grouped(values)
    return [
        _center(by_slot[slot], should[slot], sqrt(variances[slot % hours])) for slot in range(len(should))
    ]


def _of_weekday(pairs: Sequence[tuple[float, float]], factors: bool) -> tuple[float, float]:
    """What makes the day's values of what is usual at their hours: a factor and a summand."""
    if factors:
        factor = slope(pairs)
        return (1.0 if factor is None else factor), 0.0
    return 1.0, location([value - usual for usual, value in pairs]) if pairs else 0.0


def _center(values: Sequence[float], should: float, sd: float) -> float:
    between = median([*values, should])
    if abs(between - should) > LOCATION_CLIP * sd:
        return between
    return should + sum(clipped(value - should, sd) for value in values) / (len(values) + OWN)


def _grouped(pairs: Iterable[tuple[int, T]]) -> dict[int, list[T]]:
    groups: dict[int, list[T]] = defaultdict(list)
    for key, value in pairs:
        groups[key].append(value)
    return groups
