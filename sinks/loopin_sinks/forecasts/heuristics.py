"""What is said of series that are too short to choose a model for."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.stats import t

from loopin_sinks.forecasts.cleaning import learnable
from loopin_sinks.forecasts.defaults import SEASONAL_NAIVE
from loopin_sinks.forecasts.intervals import LEVELS, Widths
from loopin_sinks.forecasts.models import seasonal_naive
from loopin_sinks.forecasts.series import WEEK, Values

MEAN: Final = "mean"


class Guess(NamedTuple):
    """A forecast by a rule, its rule's name, and how wide its intervals are; NaN where nothing tells."""

    name: str
    values: Values
    widths: Widths


def guess(values: Values, horizon: int) -> Guess:
    """The last week once more, or the mean of less than two weeks; ``values`` are one at least.

    Its intervals are those of normal errors (R. J. Hyndman and G. Athanasopoulos, Forecasting: Principles and
    Practice, 5.5), by Student's t.
    """
    clean = learnable(values)
    if len(clean) >= 2 * WEEK:
        weeks = np.arange(horizon) // WEEK + 1
        spread, freedom = _of_weeks(values, clean)
        return Guess(
            SEASONAL_NAIVE, seasonal_naive(clean, horizon), _widths(spread * np.sqrt(weeks), freedom)
        )
    of_one = np.std(clean, ddof=1) * np.sqrt(1 + 1 / len(clean)) if len(clean) > 1 else np.nan
    level = np.full(horizon, clean.mean())
    return Guess(MEAN, level, _widths(np.full(horizon, of_one), len(clean) - 1))


def _of_weeks(values: Values, clean: Values) -> tuple[float, int]:
    """How much a day differs from that a week before, and degrees of freedom: of days that are both known.

    What fills a gap hardly varies. Where there is no week of such days, it is as if days were independent.
    """
    known = np.isfinite(values)
    both = known[WEEK:] & known[:-WEEK]
    if both.sum() >= WEEK:
        return _rms((clean[WEEK:] - clean[:-WEEK])[both]), int(both.sum())
    if known.sum() < 2:
        return float("nan"), 1
    return float(np.std(clean[known], ddof=1) * np.sqrt(2)), int(known.sum()) - 1


def _rms(errors: Values) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _widths(spread: Values, freedom: int) -> Widths:
    inner, outer = (t.ppf((1 + level) / 2, max(freedom, 1)) * spread for level in LEVELS)
    return Widths((inner, outer), (inner, outer))
