"""How many will come, of people who come with a probability each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.8


class HeadCount(NamedTuple):
    """``expected`` people; ``low`` to ``high`` come with the probability ``level``."""

    expected: float
    low: int
    high: int
    level: float


def head_count(chances: Iterable[float], level: float = LEVEL) -> HeadCount:
    """Of participants who decide by themselves.

    Whole numbers cannot meet the level exactly: it is the central interval whose probability is nearest.
    """
    given = list(chances)
    mass = distribution(given)
    below = np.concatenate([[0.0], np.cumsum(mass)])
    # below[h + 1] - below[l]: the probability of l to h.
    best = (2.0, 2.0, 0, len(given))
    for low in range(len(mass)):
        for high in (low, *_ends(below, low, level)):
            inside = below[high + 1] - below[low]
            uneven = abs(below[low] - (1 - below[high + 1]))
            best = min(best, (round(abs(inside - level) + uneven / 2, 9), uneven, low, high))
    return HeadCount(float(sum(given)), best[2], best[3], level)


def distribution(chances: Iterable[float]) -> NDArray[np.float64]:
    """Probability of each number who come (Poisson binomial), from none to all."""
    mass = np.ones(1)
    for chance in chances:
        mass = np.convolve(mass, (1 - chance, chance))
    return mass


def _ends(below: NDArray[np.float64], low: int, level: float) -> tuple[int, ...]:
    """The two ends whose probabilities lie around the level, of intervals that begin at ``low``."""
    at = int(np.searchsorted(below, below[low] + level))
    return tuple(end for end in (at - 2, at - 1) if low <= end < len(below) - 1)
