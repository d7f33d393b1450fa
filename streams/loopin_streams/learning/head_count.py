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

    Whole numbers cannot meet the level exactly: it is the central interval whose probability is nearest, the
    narrowest of those.
    """
    given = np.fromiter(chances, np.float64)
    below = np.concatenate([[0.0], np.cumsum(distribution(given))])
    low, high = _interval(below, level)
    return HeadCount(float(given.sum()), low, high, level)


def distribution(chances: Iterable[float]) -> NDArray[np.float64]:
    """Probability of each number who come (Poisson binomial), from none to all, each exact to 1e-12.

    Two groups together are the convolution of both: halves of halves, in O(n log² n) by Fourier transforms.
    """
    given = np.fromiter(chances, np.float64)
    # Who fill up to a power of two never come.
    parts = np.zeros((1 << max(len(given) - 1, 0).bit_length(), 2))
    parts[:, 0] = 1
    parts[: len(given), 0] -= given
    parts[: len(given), 1] = given
    while len(parts) > 1:
        length = 2 * parts.shape[1] - 1
        room = 1 << (length - 1).bit_length()
        waves = np.fft.rfft(parts, room)
        parts = np.fft.irfft(waves[::2] * waves[1::2], room)[:, :length]
    # What is next to nothing comes out as a little less than that, too.
    return np.maximum(parts[0, : len(given) + 1], 0)


def _interval(below: NDArray[np.float64], level: float) -> tuple[int, int]:
    """The ends of the interval; ``below[n]`` is the probability that fewer than ``n`` come."""
    lows = np.arange(len(below) - 1)
    at = np.searchsorted(below, below[:-1] + level)
    # The two ends whose probabilities lie around the level, or the shortest interval.
    low = np.tile(lows, 3)
    high = np.minimum(np.concatenate([lows, at - 2, at - 1]), len(lows) - 1)
    low, high = low[high >= low], high[high >= low]
    # below[h + 1] - below[l]: the probability of l to h.
    inside = below[high + 1] - below[low]
    uneven = np.abs(below[low] - (1 - below[high + 1]))
    best = np.ones(len(low), np.bool_)
    for amiss in (np.abs(inside - level) + uneven / 2, uneven, high - low, low):
        rounded = np.round(amiss, 9)
        best &= rounded == rounded[best].min()
    first = int(best.argmax())
    return int(low[first]), int(high[first])
