"""Where all chance comes from: generators seeded by the world and by the name of what is decided.

Only ``random()`` and ``getrandbits()`` of Python's generator are used, whose sequences do not change between
versions of Python; equal names give equal draws in every process.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from hashlib import blake2b
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")

_SCALE = 2.0**-64


class Dice(Random):
    """Draws of one decision, or of one user's day."""

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return self.random() < probability

    def between(self, low: float, high: float) -> float:
        """A number of the interval, evenly."""
        return low + (high - low) * self.random()

    def whole(self, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``, both included."""
        return low + int(self.random() * (high - low + 1))

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all alike."""
        return options[int(self.random() * len(options))]

    def weighted(self, options: Sequence[T], cumulative: Sequence[float]) -> T:
        """One of the options by weights that :func:`cumulated` has added up."""
        return options[bisect_right(cumulative, self.random() * cumulative[-1], 0, len(options) - 1)]

    def wait(self, mean: float) -> float:
        """An exponential number."""
        return -mean * math.log(1.0 - self.random())

    def normal(self) -> float:
        """A standard normal number (Box and Muller's transform)."""
        return math.sqrt(-2.0 * math.log(1.0 - self.random())) * math.cos(math.tau * self.random())

    def spread(self, sigma: float) -> float:
        """A log-normal factor whose median is 1."""
        return math.exp(sigma * self.normal())


class Chance:
    """Makes the generators of one world."""

    def __init__(self, *world: str | int) -> None:
        key = blake2b("/".join(map(str, world)).encode(), digest_size=32).digest()
        self._keyed = blake2b(key=key, digest_size=8)

    def number(self, name: str) -> int:
        """64 bits that belong to the name."""
        named = self._keyed.copy()
        named.update(name.encode())
        return int.from_bytes(named.digest(), "big")

    def unit(self, name: str) -> float:
        """A number of 0 to 1 that belongs to the name."""
        return self.number(name) * _SCALE

    def dice(self, name: str) -> Dice:
        """The generator that belongs to the name, at its beginning."""
        return Dice(self.number(name))


def cumulated(weights: Sequence[float]) -> tuple[float, ...]:
    """Running sums, for :meth:`Dice.weighted`."""
    return tuple(accumulate(weights))
