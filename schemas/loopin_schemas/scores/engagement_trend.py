"""Whether a user comes and does more or less than they are used to."""

from __future__ import annotations

from math import sqrt
from typing import Final, Literal

Trend = Literal["increasing", "stable", "decreasing"]

INCREASING_FROM: Final = 1.25
DECREASING_TO: Final = 0.8
"""Four fifths, and the inverse. Whoever comes once a week, always alike, stays between: right after a visit
the change is 1.15, right before the next one 0.86."""

SELDOM: Final = 0.03
"""Added to each rate: once a month or so is as good as never, and nothing is divided by zero."""


def engagement_change(
    events_lately: float, events_usually: float, days_lately: float, days_usually: float
) -> float:
    """The present pace by the usual one, from 0 on: 1 is as always.

    ::

        sqrt((events_lately + 0.03) / (events_usually + 0.03) * (days_lately + 0.03) / (days_usually + 0.03))

    with events a day, and active days a day (0 to 1), in sums that fade by half in 10 days (lately) and in 25
    (usually).

    - 2 events a day on half of the days, as always: 1.
    - 1 a day after 2, on a quarter of the days after a half: sqrt(1.03 / 2.03 * 0.28 / 0.53) = 0.518.
    - Away for long: 1.
    """
    return sqrt(
        (events_lately + SELDOM)
        / (events_usually + SELDOM)
        * (days_lately + SELDOM)
        / (days_usually + SELDOM)
    )


def engagement_trend(change: float) -> Trend:
    """increasing from 1.25 on, decreasing up to 0.8, else stable."""
    if change >= INCREASING_FROM:
        return "increasing"
    return "decreasing" if change <= DECREASING_TO else "stable"
