"""A day is judged by the weeks before it: against other libraries' numbers, and against simulated years."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import median_abs_deviation, norm

from loopin_sinks.insights.unusual import (
    FAR,
    LEAST_DAYS,
    MOST_SURE,
    WEEK,
    WEEKS,
    as_before,
    of_counts,
    unusual,
)

DAYS = WEEKS * WEEK
LEVELS = np.array([300, 320, 310, 330, 420, 700, 650])


def days_of(values: list[float]) -> dict[int, float]:
    return dict(enumerate(values))


def test_a_level_of_its_own_for_each_weekday_as_numpy_and_scipy_see_it() -> None:
    dice = np.random.default_rng(14)
    values = np.tile(LEVELS, WEEKS) + dice.normal(0, 12, DAYS)

    found = unusual({**days_of(values.tolist()), DAYS: 500.0}, DAYS, as_before)

    by_weekday = values.reshape(WEEKS, WEEK)
    expected = np.median(by_weekday[:, 0])
    residuals = (by_weekday - np.median(by_weekday, axis=0)).ravel()
    # About zero, not about their own median: each weekday's has been taken already.
    spread = median_abs_deviation(np.concatenate([residuals, -residuals]), scale="normal")
    spread *= np.sqrt(DAYS / (DAYS - WEEK))
    # A median of eight has pi/16 of their variance; and few days tell the spread.
    spread *= np.sqrt(1 + np.pi / 16) * (1 + 8 / (DAYS - WEEK))
    assert found is not None
    assert found.expected == pytest.approx(expected)
    assert found.score == pytest.approx((500.0 - expected) / spread, rel=1e-4)
    assert (found.low, found.high) == pytest.approx(
        (expected - FAR * spread, expected + FAR * spread), rel=1e-4
    )
    assert found.confidence == MOST_SURE
    assert found.days == tuple(range(DAYS))


def test_the_confidence_is_that_of_a_normal_error() -> None:
    # The median distance of these is 10, so one robust standard deviation is 14.826 and a bit.
    values = [100.0 + (10.0 if day % 2 else -10.0) for day in range(LEAST_DAYS)]
    spread = 14.826 * np.sqrt(LEAST_DAYS / (LEAST_DAYS - 1))
    spread *= np.sqrt(1 + np.pi / 28) * (1 + 8 / 13)
    found = unusual({**days_of(values), LEAST_DAYS: 100.0 + 3.6 * spread}, LEAST_DAYS, as_before)
    assert found is not None
    assert found.confidence == pytest.approx(min(1 - 2 * norm.sf(3.6), MOST_SURE))
    assert unusual({**days_of(values), LEAST_DAYS: 100.0 + 3.4 * spread}, LEAST_DAYS, as_before) is None


def share_said(level: float, factor: float) -> float:
    """Of which share of simulated Mondays something is said that have ``factor`` times what is usual."""
    dice = np.random.default_rng(3)
    usual, worlds, said = level * LEVELS / LEVELS.mean(), 3_000, 0
    for _ in range(worlds):
        values = days_of(dice.poisson(np.tile(usual, WEEKS)).astype(float).tolist())
        values[DAYS] = float(dice.poisson(factor * usual[0]))
        said += unusual(values, DAYS, of_counts) is not None
    return said / worlds


@pytest.mark.parametrize("level", [3, 40, 2_000])
def test_ordinary_days_are_left_alone(level: float) -> None:
    assert share_said(level, 1.0) < 0.005


@pytest.mark.parametrize("days", [14, 21, 28, 35, 56])
def test_normal_noise_is_left_alone(days: int) -> None:
    dice, worlds, said = np.random.default_rng(5), 3_000, 0
    for _ in range(worlds):
        values = dict(enumerate(dice.normal(100, 30, days + 1).tolist()))
        said += unusual(values, days, as_before) is not None
    assert said / worlds < 0.005


def test_a_day_of_half_the_usual_is_found() -> None:
    assert share_said(2_000, 0.5) > 0.99


def test_a_rare_thing_that_comes_often_is_found() -> None:
    values = days_of([0.0] * DAYS)
    assert unusual({**values, DAYS: 3.0}, DAYS, of_counts) is None
    assert unusual({**values, DAYS: 4.0}, DAYS, of_counts) is not None


def test_a_small_change_is_none_however_steady_the_days_were() -> None:
    values = days_of([1000.0 + day % 2 for day in range(DAYS)])
    assert unusual({**values, DAYS: 1090.0}, DAYS, as_before) is None
    assert unusual({**values, DAYS: 1110.0}, DAYS, as_before) is not None


def test_nothing_is_said_of_few_days_or_of_a_value_that_never_changed_or_of_none() -> None:
    few = days_of([100.0, 110.0] * (LEAST_DAYS // 2))
    assert unusual({**few, LEAST_DAYS: 900.0}, LEAST_DAYS, as_before) is not None
    del few[0]
    assert unusual({**few, LEAST_DAYS: 900.0}, LEAST_DAYS, as_before) is None
    assert unusual({**days_of([1.0] * DAYS), DAYS: 0.5}, DAYS, as_before) is None
    assert unusual(days_of([1.0, 2.0] * DAYS), 5 * DAYS, as_before) is None


def test_days_after_it_and_long_before_do_not_matter() -> None:
    dice = np.random.default_rng(7)
    values = days_of(dice.normal(100, 5, 3 * DAYS).tolist())
    alone = {day: value for day, value in values.items() if DAYS <= day < 2 * DAYS}
    judged = {2 * DAYS: 180.0}
    assert unusual({**values, **judged}, 2 * DAYS, as_before) == unusual(
        {**alone, **judged}, 2 * DAYS, as_before
    )
