"""What models may be told of values: no gaps, and no days that are none to learn from."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from loopin_sinks.forecasts.series import WEEK, Values

FAR: Final = 5.0
"""Robust standard deviations from its neighbours from which on a day is none to learn from."""

LONGEST_SPIKE: Final = 3
"""Days in a row; what stays away for longer is a new level."""

NEIGHBOURS: Final = 15
"""Days whose median is the level of the one in their midst."""

_TO_SIGMA: Final = 1.4826


def learnable(values: Values) -> Values:
    """The values without gaps and without spikes: both are what their neighbours and weekday tell.

    A Hampel filter on what is left without the weekdays' medians (F. R. Hampel, 1974): a level that has
    moved moves the median with it, and is not taken for a spike.
    """
    if np.isfinite(values).sum() < 2 * WEEK:
        return interpolated(values)
    expected = usual(values)
    away = np.abs(values - expected)
    spread = _TO_SIGMA * np.nanmedian(away)
    odd = _short(away > FAR * spread) if spread > 0 else np.zeros(len(values), dtype=bool)
    return np.where(odd | np.isnan(values), expected, values)


def usual(values: Values) -> Values:
    """What is usual on each day: the median of the days around it, and of its weekday's distances from it."""
    level, weekday = _level(values), np.zeros(len(values))
    for day in range(WEEK):
        of_day = values[day::WEEK] - level[day::WEEK]
        if np.isfinite(of_day).any():
            weekday[day::WEEK] = np.nanmedian(of_day)
    return _level(values - weekday) + weekday


def _level(values: Values) -> Values:
    medians = pd.Series(values).rolling(NEIGHBOURS, center=True, min_periods=1).median()
    return interpolated(medians.to_numpy(dtype=np.float64))


def interpolated(values: Values) -> Values:
    """The values with lines across their gaps."""
    known = np.flatnonzero(np.isfinite(values))
    return np.interp(np.arange(len(values)), known, values[known])


def _short(odd: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without those of longer runs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], odd.astype(np.int8), [0]))))
    kept = odd.copy()
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start > LONGEST_SPIKE:
            kept[start:end] = False
    return kept
