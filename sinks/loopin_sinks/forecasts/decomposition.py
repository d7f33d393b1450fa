"""A series as a sum: its trend, what the weekday and the time of the year add, and the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from statsmodels.tsa.seasonal import MSTL, STL

from loopin_sinks.forecasts.cleaning import interpolated
from loopin_sinks.forecasts.effects import has_years
from loopin_sinks.forecasts.series import WEEK, Series, Values

DAYS_OF_YEAR: Final = 365


@dataclass(frozen=True)
class Decomposition:
    """Parts of each day that add up to its value; ``yearly`` is None where there are less than two years."""

    trend: Values
    weekly: Values
    yearly: Values | None
    residual: Values


def decompose(known: Series) -> Decomposition | None:
    """By STL, or by MSTL with two years (K. Bandara and others, 2021); None with less than two weeks.

    Gaps are interpolated, and their residual is NaN. Weights are robust, so that spikes are in the residual.
    """
    if len(known) < 2 * WEEK or known.known < WEEK:
        return None
    values = interpolated(known.values)
    if has_years(known):
        # By their own default windows; robust weights cost a minute here, and are left to the inner STL's.
        found = MSTL(values, periods=(WEEK, DAYS_OF_YEAR), stl_kwargs={"robust": False}).fit()
        weekly, yearly = found.seasonal[:, 0], found.seasonal[:, 1]
    else:
        found = STL(values, period=WEEK, robust=True).fit()
        weekly, yearly = found.seasonal, None
    trend = np.asarray(found.trend)
    residual = known.values - trend - weekly - (0.0 if yearly is None else yearly)
    return Decomposition(trend, np.asarray(weekly), yearly, residual)
