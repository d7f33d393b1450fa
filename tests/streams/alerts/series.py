"""Series of hours of which it is known what is ordinary in them and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import pi
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Planted = Literal["5 sd", "half"]

HOUR_MS = 3_600_000
MONDAY = 1_767_571_200_000
"""2026-01-05 00:00 UTC."""
WEEK = 168


@dataclass
class Series:
    """Hours from ``MONDAY`` on; ``planted`` are those out of the ordinary, ``values`` holds NaN for gaps."""

    values: Numbers
    means: Numbers
    sds: Numbers
    counts: bool = True
    planted: dict[int, Planted] = field(default_factory=dict)

    def at(self, hour: int) -> int:
        """Start of the hour, epoch ms."""
        return MONDAY + hour * HOUR_MS


def profile(hours: int) -> Numbers:
    """A factor by hour: 1.8 in the afternoon, 0.2 at night, and 60 % of it at the weekend."""
    at = np.arange(hours)
    daily = 1 + 0.8 * np.sin((at % 24 - 9) * 2 * pi / 24)
    return np.asarray(daily * np.where(at // 24 % 7 >= 5, 0.6, 1.0))


def counts(rng: np.random.Generator, means: Numbers, overdispersion: float = 0.0) -> Series:
    """Poisson counts; with overdispersion o, of means that are gamma distributed with that relative sd."""
    of_hour = means
    if overdispersion:
        shape = overdispersion**-2
        of_hour = means * rng.gamma(shape, 1 / shape, len(means))
    sds = np.sqrt(means + (overdispersion * means) ** 2)
    return Series(rng.poisson(of_hour).astype(float), means, sds)


def silent_nights(means: Numbers) -> Numbers:
    """Nothing at all from 1 to 6."""
    hour = np.arange(len(means)) % 24
    return np.where((hour >= 1) & (hour < 6), 0.0, means)


def moods(rng: np.random.Generator, means: Numbers, sd: float = 0.1, lasting: float = 0.9) -> Series:
    """Poisson counts of means that drift about: an AR(1) of that relative sd and correlation by hour."""
    mood = np.zeros(len(means))
    steps = rng.normal(0, sd * np.sqrt(1 - lasting**2), len(means))
    for hour in range(1, len(means)):
        mood[hour] = lasting * mood[hour - 1] + steps[hour]
    series = counts(rng, means * np.exp(mood))
    return Series(series.values, means, np.sqrt(means + (sd * means) ** 2))


def ratios(rng: np.random.Generator, hours: int, mean: float = 0.2, sd: float = 0.02) -> Series:
    """Normal ratios with a daily season, twice as noisy at night."""
    means = mean * (0.8 + 0.2 * profile(hours))
    sds = np.where(np.arange(hours) % 24 < 7, 2 * sd, sd)
    return Series(rng.normal(means, sds), means, sds, counts=False)


def plant(series: Series, since: int, every: int = 97) -> Series:
    """Replace one hour in ``every`` by one that is off by 5 sd or half of the mean, up and down by turns.

    Of counts, the sd is that of their root, as the upper side of a Poisson is longer than the lower. Half of
    the mean is planted only where it is at least 5 sd, dips of 5 sd only where there is so much.
    """
    for number, hour in enumerate(range(since, len(series.values), every)):
        what: Planted = "half" if number % 4 >= 2 else "5 sd"
        value = _off(series, hour, what, -1 if number % 2 else 1)
        if value is not None:
            series.values[hour] = value
            series.planted[hour] = what
    return series


def _off(series: Series, hour: int, what: Planted, side: int) -> float | None:
    mean, sd = series.means[hour], series.sds[hour]
    if mean <= 0:
        return None
    if series.counts:
        sd = sd / (2 * np.sqrt(mean))
    middle = float(np.sqrt(mean) if series.counts else mean)
    half = float(np.sqrt(mean * (1 + side / 2)) if series.counts else mean * (1 + side / 2))
    at = half if what == "half" else middle + side * 5 * sd
    if at < 0 or abs(at - middle) < 5 * sd:
        return None
    return float(round(at * at)) if series.counts else at


def with_gaps(series: Series, rng: np.random.Generator, outage: range) -> Series:
    """Take one hour in twenty out, and one stretch of them."""
    missing = rng.random(len(series.values)) < 0.05
    missing[outage.start : outage.stop] = True
    missing[list(series.planted)] = False
    series.values[missing] = np.nan
    return series
