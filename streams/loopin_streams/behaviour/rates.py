"""What is left of users' fading counts at some time, and how much that is a day."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.behaviour import HALF_LIVES, KINDS, Behaviour
from loopin_streams.behaviour.counts import DAY_MS, NO_SUMS, SHAPE

SHORTEST_TENURE_DAYS: Final = 0.5


class Faded(NamedTuple):
    """Users in rows.

    Attributes:
        counts: what is left of each count, (users, ``KINDS``, ``HALF_LIVES``).
        rates: the same a day: by as many days as the sum is worth of a user who has been there for so long.
        away: days since the newest event, (users,).
        tenure: days since the first one, half a day at least.
    """

    counts: NDArray[np.float64]
    rates: NDArray[np.float64]
    away: NDArray[np.float64]
    tenure: NDArray[np.float64]


def faded(behaviours: Sequence[Behaviour], at: Sequence[int]) -> Faded:
    """Of each at epoch ms ``at`` or, if that was later, at its newest event."""
    half_lives = np.array(HALF_LIVES)
    times = [(one.first, one.last, one.day * DAY_MS) for one in behaviours]
    days = np.array(times, np.float64).reshape(-1, 3) / DAY_MS
    now = np.maximum(np.array(at, np.float64) / DAY_MS, days[:, 1])
    sums = np.frombuffer(b"".join(one.sums or NO_SUMS for one in behaviours), "<f2").reshape(-1, *SHAPE)
    today = np.array([one.today for one in behaviours], np.float64).reshape(-1, len(KINDS))
    counted = sums + today[:, :, None]
    counts = counted * np.exp2(-(np.floor(now) - days[:, 2])[:, None] / half_lives)[:, None, :]
    tenure = np.maximum(now - days[:, 0], SHORTEST_TENURE_DAYS)
    worth = days_worth(tenure[:, None], half_lives)
    return Faded(counts, counts / worth[:, None, :], now - days[:, 1], tenure)


def days_worth(tenure: NDArray[np.float64], half_life: float | NDArray[np.float64]) -> NDArray[np.float64]:
    """How many days' worth of counts a sum holds of a user who has been there for ``tenure`` days."""
    worth: NDArray[np.float64] = half_life / np.log(2) * (1 - np.exp2(-tenure / half_life))
    return worth
