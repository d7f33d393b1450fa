"""A metric's next days, with intervals, by the model that would have been best so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Final, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from loopin_sinks.forecasts.backtest import LEAST_LEARNT, Backtest, backtest, mase
from loopin_sinks.forecasts.cleaning import learnable
from loopin_sinks.forecasts.defaults import HORIZON, LEAST_POINTS, SEASONAL_NAIVE
from loopin_sinks.forecasts.effects import Holidays, has_years, holiday_effects, yearly_season
from loopin_sinks.forecasts.heuristics import guess
from loopin_sinks.forecasts.intervals import Widths, conformal, coverage
from loopin_sinks.forecasts.models import candidates
from loopin_sinks.forecasts.series import Bounds, Series, Values

LEAST_FOLDS: Final = 8
"""Origins of which the errors tell how wide intervals are."""

Method = Literal["model", "heuristic"]


@dataclass(frozen=True, slots=True)
class Quality:
    """How good the forecasts were at origins in the past, days ahead as now.

    At each origin, model and widths are those that the other origins choose.

    Attributes:
        mase: mean absolute error by that of seasonal-naive within the values before; None where those are
            constant.
        naive_mase: the same of seasonal-naive itself.
        coverage_80, coverage_95: shares of the values that lay within the intervals.
        folds: how many origins.
    """

    mase: float | None
    naive_mase: float | None
    coverage_80: float
    coverage_95: float
    folds: int


@dataclass(frozen=True)
class Forecast:
    """What to expect of the days from ``first`` on; intervals are NaN where nothing tells them.

    Attributes:
        first: the first day.
        values: a value a day.
        low, high: ends of the 80 % and of the 95 % intervals.
        method: whether a model was chosen, or a rule had to do.
        model: name of the model or rule.
        reason: why a rule had to do, in one sentence; None for a model.
        yearly: whether a yearly season is in it.
        quality: of the model; None for a rule.
    """

    first: date
    values: Values
    low: tuple[Values, Values]
    high: tuple[Values, Values]
    method: Method
    model: str
    reason: str | None = None
    yearly: bool = False
    quality: Quality | None = None


def forecast(
    known: Series, horizon: int = HORIZON, bounds: Bounds | None = None, holidays: Holidays | None = None
) -> Forecast:
    """The next days of a series; the same for the same values.

    Args:
        known: its values so far, one at least.
        horizon: how many days.
        bounds: between which values it always lies.
        holidays: public holidays that may matter, past and to come.

    Raises:
        ValueError: there is no value at all.
    """
    if not known.known:
        raise ValueError("there is no value to go by")
    bounds = bounds or Bounds()
    needed = max(LEAST_POINTS, horizon + LEAST_LEARNT + LEAST_FOLDS - 1)
    if known.known < needed:
        reason = f"A model needs {needed} days with a value, and there are {known.known}."
        return _guessed(known, horizon, bounds, reason)
    # Matrices are small: threads only wait for each other, for more than half of the time.
    with threadpool_limits(1):
        return _chosen(known, horizon, bounds, holidays or {})


def _chosen(known: Series, horizon: int, bounds: Bounds, holidays: Holidays) -> Forecast:
    tried = [_tried(known, horizon, holidays, yearly) for yearly in (False, True)[: 1 + has_years(known)]]
    yearly, tested = min(enumerate(tried), key=lambda each: each[1].error(each[1].best()))
    model = tested.best()
    expected = _expected(known, horizon, holidays, bool(yearly))[model]
    found = _within(bounds, known, expected, conformal(tested.errors[model]))
    return replace(found, method="model", model=model, yearly=bool(yearly), quality=quality(tested))


def _tried(known: Series, horizon: int, holidays: Holidays, yearly: bool) -> Backtest:
    def forecaster(values: Values, ahead: int) -> Mapping[str, Values]:
        return _expected(Series(known.first, values), ahead, holidays, yearly)

    found = backtest(known.values, horizon, forecaster)
    assert found is not None, "there are origins"
    return found


def _expected(known: Series, horizon: int, holidays: Holidays, yearly: bool) -> Mapping[str, Values]:
    """What each model expects, without what the calendar adds, and that added again."""
    added = np.zeros(len(known) + horizon)
    if holidays:
        added += holiday_effects(known, horizon, holidays)
    if yearly and has_years(known):
        added += yearly_season(Series(known.first, known.values - added[: len(known)]), horizon)
    bare = learnable(known.values - added[: len(known)])
    return {name: each + added[len(known) :] for name, each in candidates(bare, horizon).items()}


def quality(tested: Backtest) -> Quality:
    """How good what would have been chosen was, each origin judged by the choice of the others."""
    errors: list[Values] = []
    inside: tuple[list[Values], list[Values]] = ([], [])
    for fold in range(len(tested)):
        others = tested.without(fold)
        model = others.best()
        came, widths = tested.errors[model][fold], conformal(others.errors[model])
        errors.append(came)
        for level, shares in enumerate(inside):
            shares.append(coverage(came, widths, level))
    return Quality(
        mase(np.vstack(errors), tested.scales),
        mase(tested.errors[SEASONAL_NAIVE], tested.scales),
        float(np.nanmean(inside[0])),
        float(np.nanmean(inside[1])),
        len(tested),
    )


def _guessed(known: Series, horizon: int, bounds: Bounds, reason: str) -> Forecast:
    found = guess(known.values, horizon)
    within = _within(bounds, known, found.values, found.widths)
    return replace(within, model=found.name, reason=reason)


def _within(bounds: Bounds, known: Series, expected: Values, widths: Widths) -> Forecast:
    low = tuple(bounds.clip(expected - each) for each in widths.below)
    high = tuple(bounds.clip(expected + each) for each in widths.above)
    return Forecast(
        known.day(len(known)), bounds.clip(expected), (low[0], low[1]), (high[0], high[1]), "heuristic", ""
    )
