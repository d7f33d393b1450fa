"""How good models were, by rolling origin: what each would have said then, against what came."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loopin_sinks.forecasts.defaults import SEASONAL_NAIVE
from loopin_sinks.forecasts.models import COMBINATION, seasonal_naive
from loopin_sinks.forecasts.series import WEEK, Values

MOST_FOLDS: Final = 12

LEAST_LEARNT: Final = 6 * WEEK
"""Days before the first origin."""

LONGEST_STEP: Final = 13
"""Days between origins at most: what is tested is how things are, not how they were."""

CLEARLY: Final = 0.95
"""Share of the combination's error below which a model is chosen: of several, one is always a bit better."""

ACCURACY: Final = 1e-9
"""Share of the greatest value below which an error is none: models differ in the last digits."""

Forecaster = Callable[[Values, int], Mapping[str, Values]]
"""From the values up to an origin, with their gaps, to what each model expects of the next so many."""


@dataclass(frozen=True)
class Backtest:
    """Errors of all models at all origins.

    Attributes:
        errors: by model, value less forecast: a row for each origin, a column for each day ahead; NaN where
            the day has no value.
        scales: of each origin, the mean absolute error of seasonal-naive in the values before it.
    """

    errors: Mapping[str, Values]
    scales: Values

    def __len__(self) -> int:
        return len(self.scales)

    def without(self, fold: int) -> Backtest:
        """The same without one origin."""
        kept = np.arange(len(self)) != fold
        return Backtest({name: each[kept] for name, each in self.errors.items()}, self.scales[kept])

    def best(self) -> str:
        """The model with the least mean absolute error; the combination unless another is clearly better."""
        error = {name: self.error(name) for name in self.errors if name != SEASONAL_NAIVE}
        least = min(error, key=lambda name: error[name])
        return least if error[least] < CLEARLY * error[COMBINATION] else COMBINATION

    def error(self, model: str) -> float:
        """Mean absolute error over all origins and days ahead."""
        return mean_absolute(self.errors[model])


def origins(length: int, horizon: int) -> Sequence[int]:
    """How many values are known at each origin, the first first; none where the values are too few.

    They are apart by no multiple of a week, so that all weekdays are tested.
    """
    span = length - horizon - LEAST_LEARNT
    if span < 0:
        return []
    step = min(max(span // (MOST_FOLDS - 1), 1), LONGEST_STEP)
    if step % WEEK == 0:
        step -= 1
    last = length - horizon
    return [at for at in range(last - step * (MOST_FOLDS - 1), last + 1, step) if at >= LEAST_LEARNT]


def backtest(values: Values, horizon: int, forecaster: Forecaster) -> Backtest | None:
    """What the models would have said at the origins; None where the values are too few for that."""
    at = origins(len(values), horizon)
    if not at:
        return None
    found = [_fold(values, origin, horizon, forecaster) for origin in at]
    scales = np.array([seasonal_scale(values[:origin]) for origin in at])
    return Backtest({name: np.vstack([each[name] for each in found]) for name in found[0]}, scales)


def _fold(values: Values, origin: int, horizon: int, forecaster: Forecaster) -> dict[str, Values]:
    known, came = values[:origin], values[origin : origin + horizon]
    expected = {**forecaster(known, horizon), SEASONAL_NAIVE: seasonal_naive(known, horizon)}
    exact = ACCURACY * np.nanmax(np.abs(values))
    return {name: _rounded(came - each, exact) for name, each in expected.items()}


def _rounded(errors: Values, exact: float) -> Values:
    return np.where(np.abs(errors) < exact, 0.0, errors)


def seasonal_scale(values: Values) -> float:
    """Mean absolute difference of values that are a week apart: by it errors of all series can be compared.

    The denominator of MASE (R. J. Hyndman and A. B. Koehler, 2006) with a season of a week; NaN without any.
    """
    return mean_absolute(values[WEEK:] - values[:-WEEK])


def mean_absolute(errors: Values) -> float:
    """Mean of the absolute values there are; NaN without any."""
    known = errors[np.isfinite(errors)]
    return float(np.abs(known).mean()) if known.size else float("nan")


def mase(errors: Values, scales: Values) -> float | None:
    """Mean absolute scaled error over all origins; None where no scale is above 0."""
    scaled = [mean_absolute(row) / scale for row, scale in zip(errors, scales, strict=True) if scale > 0]
    known = [each for each in scaled if np.isfinite(each)]
    return float(np.mean(known)) if known else None
