"""Whether a day's value is unusual, given the eight weeks before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist, median
from typing import Final

WEEK: Final = 7
WEEKS: Final = 8
"""How far back is looked."""

LEAST_DAYS: Final = 14
"""Of fewer days nothing is said."""

LEAST_OF_WEEKDAY: Final = 4
"""From so many values of one weekday on it has its own level; before that all days have one."""

FAR: Final = 3.5
"""Iglewicz and Hoaglin's limit of the modified z-score (How to Detect and Handle Outliers, 1993)."""

LEAST_CHANGE: Final = 0.1
"""A smaller share of what is usual interests nobody, however sure it is."""

MOST_SURE: Final = 0.99
"""A median of few days does not tell more."""

_TO_SIGMA: Final = 1.4826
"""Of normal errors, the standard deviation by the median of their absolute values."""


@dataclass(frozen=True, slots=True)
class Unusual:
    """A value that is not what is usual.

    Attributes:
        expected: what is usual.
        low, high: between which values nothing would be said.
        score: robust standard deviations from what is usual, negative below it.
        confidence: probability that a normal error is smaller, at most ``MOST_SURE``.
        days: the days that tell what is usual.
    """

    expected: float
    low: float
    high: float
    score: float
    confidence: float
    days: tuple[int, ...]

    @property
    def change(self) -> float | None:
        """Against what is usual, as a share of it; None where that is 0."""
        return None if self.expected == 0 else self._away / abs(self.expected)

    @property
    def _away(self) -> float:
        return self.score * (self.high - self.low) / (2 * FAR)


def unusual(values: Mapping[int, float], day: int, *, counts: bool) -> Unusual | None:
    """What is unusual about a day; None where nothing is, or nothing can be said.

    What is usual is the median of its weekday in the weeks before, its spread the median distance of all
    days from the medians of theirs, corrected for each of these being fitted to its own few days. A count
    spreads by its square root at least, as independent events do.

    Args:
        values: by number of the day.
        day: the one to judge.
        counts: whether values are numbers of something.
    """
    before = {at: values[at] for at in range(day - WEEKS * WEEK, day) if at in values}
    if day not in values or len(before) < LEAST_DAYS:
        return None
    level, fitted = _levels(before)
    expected = level[day % WEEK]
    distances = [abs(value - level[at % WEEK]) for at, value in before.items()]
    spread = _TO_SIGMA * median(distances) * sqrt(len(before) / (len(before) - fitted))
    if counts:
        spread = max(spread, sqrt(max(expected, 1.0)))
    away = values[day] - expected
    if spread <= 0 or abs(away) < FAR * spread or abs(away) < LEAST_CHANGE * abs(expected):
        return None
    score = away / spread
    sure = 2 * NormalDist().cdf(abs(score)) - 1
    return Unusual(
        expected=expected,
        low=expected - FAR * spread,
        high=expected + FAR * spread,
        score=score,
        confidence=min(sure, MOST_SURE),
        days=tuple(sorted(before)),
    )


def _levels(values: Mapping[int, float]) -> tuple[list[float], int]:
    """What is usual, by number of the day modulo a week; and how many different levels were looked for."""
    by_weekday: dict[int, list[float]] = defaultdict(list)
    for day, value in values.items():
        by_weekday[day % WEEK].append(value)
    if all(len(by_weekday[weekday]) >= LEAST_OF_WEEKDAY for weekday in range(WEEK)):
        return [median(by_weekday[weekday]) for weekday in range(WEEK)], WEEK
    return [median(values.values())] * WEEK, 1
