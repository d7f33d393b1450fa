"""Whether a day's value is unusual, given the eight weeks before it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import pi, sqrt
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

Noise = Callable[[float, float], float]
"""How far a day's values spread, given what is usual and how far those of the days before did."""

_TO_SIGMA: Final = 1.4826
"""Of normal errors, the standard deviation by the median of their absolute values."""

_FEW: Final = 8.0
"""Such a share of itself the spread is widened by where one day tells of it, of more as many times less: of
normal errors fewer than 0.5 % pass the limit then, as simulated (``tests/sinks/insights``)."""


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


def as_before(_: float, spread: float) -> float:
    """The noise of a value that has what it had."""
    return spread


def of_counts(expected: float, spread: float) -> float:
    """The noise of a number of something: its square root at least, as independent events make it."""
    return max(spread, sqrt(max(expected, 1.0)))


def unusual(values: Mapping[int, float], day: int, noise: Noise) -> Unusual | None:
    """What is unusual about a day; None where nothing is, or nothing can be said.

    What is usual is the median of its weekday in the weeks before, its spread the median distance of all
    days from the medians of theirs, corrected for each of these being fitted to its own few days, for the
    error of the median itself (``pi / 2`` of a mean's variance), and for how few days tell the spread.

    Args:
        values: by number of the day.
        day: the one to judge.
        noise: how far the day's value spreads.
    """
    before = {at: values[at] for at in range(day - WEEKS * WEEK, day) if at in values}
    if day not in values or len(before) < LEAST_DAYS:
        return None
    level, fitted = _levels(before)
    of_level = len(before) if fitted == 1 else sum(at % WEEK == day % WEEK for at in before)
    expected = level[day % WEEK]
    distances = [abs(value - level[at % WEEK]) for at, value in before.items()]
    free = len(before) - fitted
    spread = _TO_SIGMA * median(distances) * sqrt(len(before) / free)
    spread = noise(expected, spread * sqrt(1 + pi / 2 / of_level) * (1 + _FEW / free))
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
