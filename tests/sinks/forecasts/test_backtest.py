"""Rolling origins, MASE by hand, and the intervals that errors make."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from loopin_sinks.forecasts.backtest import Backtest, backtest, mase, origins, seasonal_scale
from loopin_sinks.forecasts.intervals import conformal, coverage
from loopin_sinks.forecasts.models import COMBINATION
from loopin_sinks.forecasts.series import Values
from tests.sinks.forecasts.made_up import noise


def test_mase_by_hand() -> None:
    # Two weeks: each day of the second is 2 above its weekday, the last day 9.
    known = np.array([1.0, 2, 3, 4, 5, 6, 7, 3, 4, 5, 6, 7, 8, 16])
    assert seasonal_scale(known) == (6 * 2 + 9) / 7
    errors = np.array([[3.0, -3.0], [1.0, np.nan]])
    # Of each origin: a mean error of 3, of 1, over the scales 3 and 2.
    assert mase(errors, np.array([3.0, 2.0])) == pytest.approx((1 + 0.5) / 2)
    assert mase(errors, np.array([0.0, 2.0])) == pytest.approx(0.5)
    assert mase(errors, np.array([0.0, 0.0])) is None


@pytest.mark.parametrize(("length", "horizon"), [(100, 30), (120, 14), (400, 30), (1095, 90), (72, 30)])
def test_origins_leave_enough_before_and_the_whole_horizon_after(length: int, horizon: int) -> None:
    found = origins(length, horizon)
    assert found[-1] == length - horizon
    assert 1 <= len(found) <= 12
    assert found[0] >= 42
    steps = set(np.diff(found))
    assert all(step % 7 for step in steps)


def test_too_few_values_have_no_origin() -> None:
    assert list(origins(71, 30)) == []
    assert backtest(noise(1, 71), 30, lambda values, horizon: {}) is None


def test_a_model_is_shown_what_was_known_and_nothing_else() -> None:
    values = noise(2, 120)
    shown: list[int] = []

    def forecaster(known: Values, horizon: int) -> Mapping[str, Values]:
        np.testing.assert_array_equal(known, values[: len(known)])
        shown.append(len(known))
        return {COMBINATION: np.full(horizon, float(len(known)))}

    found = backtest(values, 14, forecaster)
    assert found is not None
    assert shown == list(origins(120, 14))
    for fold, origin in enumerate(shown):
        came = values[origin : origin + 14]
        np.testing.assert_allclose(found.errors[COMBINATION][fold], came - origin)
        naive = np.tile(values[origin - 7 : origin], 2)
        np.testing.assert_allclose(found.errors["seasonal_naive"][fold], came - naive)
        before = values[:origin]
        assert found.scales[fold] == pytest.approx(np.mean(np.abs(before[7:] - before[:-7])))


def test_a_model_is_chosen_that_is_clearly_better_than_the_combination() -> None:
    def tested(**errors: float) -> Backtest:
        return Backtest({name: np.full((3, 5), error) for name, error in errors.items()}, np.ones(3))

    assert tested(combination=1.0, theta=0.97, seasonal_naive=0.1).best() == "combination"
    assert tested(combination=1.0, theta=0.9, mean=0.8, seasonal_naive=0.1).best() == "mean"


def test_widths_hold_their_share_of_new_errors_and_grow() -> None:
    spreads = 1 + np.arange(30) / 30
    widths = conformal(noise(3, 12 * 30).reshape(12, 30) * spreads)
    new = noise(4, 2000 * 30).reshape(2000, 30) * spreads
    for level, (least, most) in enumerate([(0.77, 0.86), (0.92, 0.98)]):
        assert least < float(np.mean(coverage(new, widths, level))) < most
        assert (np.diff(widths.above[level]) >= 0).all()
        assert widths.above[level][-1] > 1.2 * widths.above[level][0]
    assert (widths.above[1] >= widths.above[0]).all()


def test_a_width_is_the_quantile_that_conformal_prediction_names() -> None:
    # Of nine errors at each of one day ahead: the eighth for 80 %, the greatest for 95 %.
    widths = conformal(np.arange(1.0, 10.0).reshape(9, 1) * np.array([[-1.0]]))
    assert (widths.below[0][0], widths.below[1][0]) == (8.0, 9.0)


def test_errors_that_nobody_knows_count_for_nothing() -> None:
    errors = noise(5, 12 * 5).reshape(12, 5)
    holed = np.vstack([errors, np.full((3, 5), np.nan)])
    np.testing.assert_array_equal(conformal(holed).above[0], conformal(errors).above[0])
    assert np.isnan(coverage(holed, conformal(errors), 0)[-1]).all()
