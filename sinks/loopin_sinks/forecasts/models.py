"""The models that a series chooses from, each of a library, one a line."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import pandas as pd
from scipy.stats import theilslopes
from statsmodels.tsa.ar_model import AutoReg
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.holtwinters import SimpleExpSmoothing
from statsmodels.tsa.seasonal import STL

from loopin_sinks.forecasts.series import WEEK, Values

LONGEST: Final = 400
"""Days that a model learns from; what came before tells about seasons only."""

RECENT: Final = 8 * WEEK
"""Days that a mean is of."""

SEASON_WINDOW: Final = 25
"""Weeks over which STL smooths each weekday: the pattern of a week changes slowly."""

Model = Callable[[Values, int], Values]
"""From values without gaps, and without a weekly season, to the next so many."""


def _mean(values: Values, horizon: int) -> Values:
    return np.full(horizon, values[-RECENT:].mean())


def _smoothing(values: Values, horizon: int) -> Values:
    fitted = SimpleExpSmoothing(values, initialization_method="heuristic").fit()
    return np.asarray(fitted.forecast(horizon), dtype=np.float64)


def _autoregression(values: Values, horizon: int) -> Values:
    fitted = AutoReg(values, lags=WEEK).fit()
    found = np.asarray(fitted.predict(len(values), len(values) + horizon - 1), dtype=np.float64)
    # One that is not stationary leaves all that ever was behind it.
    reach = np.ptp(values)
    return np.clip(found, values.min() - reach, values.max() + reach)


def _theta(values: Values, horizon: int) -> Values:
    fitted = ThetaModel(pd.Series(values), period=WEEK, deseasonalize=False).fit()
    return np.asarray(fitted.forecast(horizon), dtype=np.float64)


def _trend(values: Values, horizon: int) -> Values:
    recent = values[-RECENT:]
    slope, start, _, _ = theilslopes(recent, np.arange(len(recent)))
    return np.asarray(start + slope * np.arange(len(recent), len(recent) + horizon), dtype=np.float64)


MODELS: Final[Mapping[str, Model]] = {
    "mean": _mean,
    "exponential_smoothing": _smoothing,
    "autoregression": _autoregression,
    "theta": _theta,
    "linear_trend": _trend,
}
"""By name: the mean of eight weeks; simple exponential smoothing; an autoregression of a week's days; Theta
(V. Assimakopoulos and K. Nikolopoulos, 2000); Theil and Sen's line through eight weeks (1968)."""

COMBINATION: Final = "combination"
"""Their median, as good as any in most competitions (S. Makridakis and others, M4, 2020)."""


def candidates(values: Values, horizon: int) -> dict[str, Values]:
    """What each model expects of the next days, by its name; ``values`` have no gaps."""
    recent = values[-LONGEST:]
    season = weekly_season(recent)
    bare = recent - season
    following = np.resize(season[-WEEK:], horizon)
    with warnings.catch_warnings():
        # A fit that has not converged is judged as any other.
        warnings.simplefilter("ignore")
        found = {name: model(bare, horizon) + following for name, model in MODELS.items()}
    found[COMBINATION] = np.median(list(found.values()), axis=0)
    return found


def weekly_season(values: Values) -> Values:
    """The weekly season by STL (R. B. Cleveland and others, 1990), as strong as there is evidence for.

    Chance makes some pattern of every few weeks: its variance is that of the rest over the weeks that it is a
    mean of. The season is shrunk by the share which that is of its own (W. James and C. Stein, 1961).
    """
    if len(values) < 3 * WEEK or np.ptp(values) == 0:
        return np.zeros(len(values))
    found = STL(values, period=WEEK, seasonal=SEASON_WINDOW, seasonal_deg=0).fit()
    season, rest = np.asarray(found.seasonal), np.asarray(found.resid)
    weeks = min(len(values) / WEEK, SEASON_WINDOW) / 2  # the near ones weigh most
    own = np.var(season)
    return season * max(0.0, 1 - np.var(rest) / weeks / own) if own > 0 else season


def seasonal_naive(values: Values, horizon: int) -> Values:
    """The last week once more."""
    return np.resize(values[-WEEK:], horizon)
