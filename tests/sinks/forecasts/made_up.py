"""Series whose truth is known."""

from __future__ import annotations

from datetime import date

import numpy as np

from loopin_sinks.forecasts.series import Series, Values, series

FIRST = date(2024, 1, 1)
"""A Monday."""

WEEKEND = 60.0
"""What Saturdays and Sundays add to each day of ``weekly``."""


def noise(seed: int, days: int, spread: float = 1.0) -> Values:
    return np.random.default_rng(seed).normal(0, spread, days)


def weekly(days: int) -> Values:
    return np.where(np.arange(days) % 7 >= 5, WEEKEND, 0.0)


def of(values: Values | list[float]) -> Series:
    return series(FIRST, np.asarray(values, dtype=np.float64))
