"""What the calendar adds to days, so that it can be taken away before models learn: holidays and the year."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
from sklearn.linear_model import LinearRegression, Ridge

from loopin_sinks.forecasts.cleaning import learnable, usual
from loopin_sinks.forecasts.series import WEEK, Series, Values

YEAR: Final = 365.25

LEAST_YEARS: Final = 2
"""Years without which a season cannot be told from a trend."""

HARMONICS: Final = 3
"""Waves a year: what is shorter than four months' rise and fall is left to the level."""

Holidays = Mapping[date, str]
"""Names of public holidays, by day."""


def holiday_effects(known: Series, horizon: int, holidays: Holidays) -> Values:
    """How far holidays are from usual days: of all known days and the next so many; 0 on all others.

    A ridge regression of the distances on "some holiday" and on each name: one that has been seen often has
    its own effect, one that has not has that of all.
    """
    days = [known.day(number) for number in range(len(known) + horizon)]
    names = sorted({holidays[day] for day in days if day in holidays})
    at = np.array([number for number, day in enumerate(days) if day in holidays], dtype=int)
    found = np.zeros(len(days))
    distances = known.values - usual(known.values)
    learnt = [number for number in at if number < len(known) and np.isfinite(distances[number])]
    if not learnt:
        return found
    told = {number: [1.0, *(float(holidays[days[number]] == name) for name in names)] for number in at}
    fitted = Ridge(alpha=1.0, fit_intercept=False).fit([told[number] for number in learnt], distances[learnt])
    found[at] = fitted.predict([told[number] for number in at])
    return found


def has_years(known: Series) -> bool:
    """Whether a yearly season can be told."""
    return len(known) >= LEAST_YEARS * YEAR


def yearly_season(known: Series, horizon: int) -> Values:
    """The yearly season of all known days and the next so many.

    Harmonic regression beside a line and the weekdays (R. J. Hyndman and G. Athanasopoulos, Forecasting:
    Principles and Practice, 7.4).
    """
    at = np.arange(len(known) + horizon)
    phase = 2 * np.pi * (known.first.toordinal() + at) / YEAR
    waves = np.column_stack(
        [wave(number * phase) for number in range(1, HARMONICS + 1) for wave in (np.sin, np.cos)]
    )
    weekdays = (at[:, None] % WEEK == np.arange(WEEK - 1)).astype(np.float64)
    beside = np.column_stack([waves, at / YEAR, weekdays])
    fitted = LinearRegression().fit(beside[: len(known)], learnable(known.values))
    return np.asarray(waves @ fitted.coef_[: waves.shape[1]], dtype=np.float64)
