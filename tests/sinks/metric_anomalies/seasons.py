"""Planted series: a day and a week with their seasons, and chance around them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

HOUR = timedelta(hours=1)


def mean_at(hour: datetime, level: float) -> float:
    """What is usual: quiet nights, and weekends at 0.7."""
    of_day = 1 + 0.8 * math.sin((hour.hour - 8) / 24 * 2 * math.pi)
    return level * of_day * (0.7 if hour.weekday() >= 5 else 1.0)


def poisson(mean: float, dice: random.Random) -> float:
    """A Poisson count (by Knuth's way for small means, by the normal one for large)."""
    if mean > 500:
        return float(max(0, round(dice.gauss(mean, math.sqrt(mean)))))
    limit, product, count = math.exp(-mean), dice.random(), 0
    while product > limit:
        product *= dice.random()
        count += 1
    return float(count)


def hours(end: datetime, number: int, level: float, dice: random.Random) -> Iterator[tuple[datetime, float]]:
    """So many hours that end with ``end``, each an independent count."""
    for back in range(number, 0, -1):
        at = end - back * HOUR
        yield at, poisson(mean_at(at, level), dice)
