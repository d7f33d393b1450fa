"""How far from its forecast a value may come to lie, by how far values came to lie before."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

import numpy as np
from sklearn.isotonic import IsotonicRegression

from loopin_sinks.forecasts.series import WEEK, Values

LEVELS: Final = (0.80, 0.95)
"""Shares of the values that are to lie within."""

NEAR: Final = WEEK // 2
"""Days ahead whose errors tell of one, before and after it."""


@dataclass(frozen=True)
class Widths:
    """How far below and above its forecast each day's interval reaches, by level."""

    below: tuple[Values, Values]
    above: tuple[Values, Values]


def conformal(errors: Values) -> Widths:
    """Split conformal intervals, a width for each day ahead.

    The width is the ``ceil((n + 1) level) / n`` quantile of the n absolute errors of that day ahead and its
    neighbours at all origins (V. Vovk and others, 2005; K. Stankeviciute and others, 2021, for each day
    ahead), made to grow with the days: what is farther ahead is known no better.
    """
    widths = [
        growing([_quantile(_near(errors, day), level) for day in range(errors.shape[1])]) for level in LEVELS
    ]
    inner, outer = widths[0], np.maximum(widths[0], widths[1])
    return Widths((inner, outer), (inner, outer))


def coverage(errors: Values, widths: Widths, level: int) -> Values:
    """Which errors lie within: 1, or 0; NaN where there is none."""
    inside = (errors >= -widths.below[level]) & (errors <= widths.above[level])
    return np.where(np.isfinite(errors), inside, np.nan)


def _near(errors: Values, day: int) -> Values:
    found = np.abs(errors[:, max(0, day - NEAR) : day + NEAR + 1])
    return found[np.isfinite(found)]


def _quantile(sizes: Values, level: float) -> float:
    if not sizes.size:
        return float("nan")
    rank = min(ceil((sizes.size + 1) * level), sizes.size)
    return float(np.sort(sizes)[rank - 1])


def growing(widths: list[float]) -> Values:
    """The nearest to these that never shrink, by least squares."""
    known = np.flatnonzero(np.isfinite(widths))
    if not known.size:
        return np.full(len(widths), np.nan)
    fitted = IsotonicRegression(out_of_bounds="clip").fit(known, np.asarray(widths)[known])
    return np.asarray(fitted.predict(np.arange(len(widths))), dtype=np.float64)
