"""Forecasts of series whose truth is known, of those that are hard, and of those that are none."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from scipy.stats import t as student

from loopin_sinks.forecasts.forecast import Forecast, forecast
from loopin_sinks.forecasts.series import Bounds, Values
from tests.sinks.forecasts.made_up import FIRST, WEEKEND, noise, of, weekly

COUNTS = Bounds(0)


def inside(found: Forecast, came: Values, level: int) -> float:
    return float(np.mean((came >= found.low[level]) & (came <= found.high[level])))


def ordered(found: Forecast) -> bool:
    steps = [found.low[1], found.low[0], found.values, found.high[0], found.high[1]]
    return all((lower <= upper).all() for lower, upper in zip(steps, steps[1:], strict=False))


def test_level_trend_weekday_and_noise_are_told_from_each_other() -> None:
    truth = 1000 + 2.0 * np.arange(230) + weekly(230)
    found = forecast(of(truth[:200] + noise(1, 200, 20.0)))
    assert found.first == FIRST + timedelta(days=200)
    assert (found.method, found.reason, found.yearly) == ("model", None, False)
    assert np.mean(np.abs(found.values - truth[200:])) < 15
    assert np.mean(found.values[weekly(230)[200:] > 0]) > np.mean(found.values[weekly(230)[200:] == 0]) + 40
    # Of normal noise with a spread of 20, 80 % lie within 26 on each side.
    assert 20 < np.mean(found.high[0] - found.values) < 40
    assert found.quality is not None
    assert found.quality.mase is not None
    assert found.quality.mase < 0.9
    # The last week knows nothing of the trend.
    assert found.quality.naive_mase is not None
    assert found.quality.naive_mase > 1.3


def test_intervals_hold_their_share_of_what_comes() -> None:
    shares = []
    for seed in range(12):
        values = 500 + weekly(150) + noise(seed, 150, 30.0)
        found = forecast(of(values[:120]))
        shares.append([inside(found, values[120:], level) for level in (0, 1)])
        assert found.quality is not None
        assert 0.7 < found.quality.coverage_80 < 0.9
    # 360 days: the share's own spread is 2 and 1 %.
    assert 0.73 < np.mean(shares, axis=0)[0] < 0.87
    assert 0.90 < np.mean(shares, axis=0)[1] < 0.99


def test_it_is_the_same_for_the_same_values() -> None:
    values = 100 + weekly(130) + noise(7, 130, 9.0)
    one, other = (forecast(of(values)) for _ in range(2))
    for name in ("values", "low", "high"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.model, one.quality) == (other.model, other.quality)


def test_a_year_is_found_where_there_are_two() -> None:
    days = np.arange(800)
    year = 150 * np.sin(2 * np.pi * days / 365.25)
    values = 1000 + year + noise(8, 800, 20.0)
    found = forecast(of(values[:770]))
    assert found.yearly
    assert np.mean(np.abs(found.values - (1000 + year[770:]))) < 25
    assert not forecast(of(values[:500])).yearly


def test_holidays_are_told_from_what_they_were() -> None:
    holidays = {FIRST + timedelta(days=day): "Day of the Founder" for day in range(10, 200, 28)}
    effect = np.array([-300.0 if FIRST + timedelta(days=day) in holidays else 0.0 for day in range(200)])
    values = 1000 + effect + noise(9, 200, 10.0)
    found = forecast(of(values[:170]), holidays=holidays)
    (at,) = np.flatnonzero(effect[170:])
    assert found.values[at] == pytest.approx(700, abs=60)
    assert np.delete(found.values, at) == pytest.approx(1000, abs=15)
    assert forecast(of(values[:170])).values[at] == pytest.approx(1000, abs=30)


def test_a_planted_spike_moves_nothing() -> None:
    values = 1000 + weekly(120) + noise(10, 120, 15.0)
    spiked = values.copy()
    spiked[113] *= 4
    assert forecast(of(spiked)).values == pytest.approx(forecast(of(values)).values, rel=0.03)


def test_a_level_that_has_moved_is_followed() -> None:
    moved = np.concatenate([100 + noise(11, 100, 5.0), 250 + noise(12, 40, 5.0)])
    assert forecast(of(moved)).values == pytest.approx(250, abs=20)


def test_gaps_are_no_zeros() -> None:
    values = 1000 + weekly(200) + noise(13, 200, 15.0)
    values[np.random.default_rng(1).random(200) < 0.2] = np.nan
    values[-1] = 1000.0
    found = forecast(of(values), horizon=14)
    assert found.method == "model"
    assert found.values == pytest.approx(1000 + weekly(214)[200:], abs=25)


@pytest.mark.parametrize("every", [2, 9, 20])
def test_values_that_are_far_apart_are_enough_if_they_are_many(every: int) -> None:
    values = np.full(110 * every + 1, np.nan)
    values[::every] = 300 + noise(18, 111, 10.0)
    found = forecast(of(values))
    assert found.method == "model"
    assert found.values == pytest.approx(300, abs=40)
    assert ordered(found)


@pytest.mark.parametrize("level", [0.0, 5.0, 0.25, 1e12])
def test_what_never_changes_is_expected_to_stay(level: float) -> None:
    found = forecast(of(np.full(150, level)), bounds=COUNTS)
    assert found.values == pytest.approx(level)
    assert found.high[1] == pytest.approx(level)
    assert found.quality is not None
    assert (found.quality.mase, found.quality.coverage_95) == (None, 1.0)


def test_what_repeats_each_week_to_the_last_digit_is_expected_to() -> None:
    pattern = np.tile([1.0, 2, 3, 4, 5, 60, 7], 25)
    found = forecast(of(pattern[:140]), bounds=COUNTS)
    assert found.values == pytest.approx(pattern[140:170], abs=1e-6)
    assert found.quality is not None
    assert found.quality.coverage_80 == 1.0


def test_counts_stay_above_zero_and_ratios_within_one() -> None:
    rng = np.random.default_rng(3)
    rare = forecast(of(rng.poisson(0.4, 140).astype(float)), bounds=COUNTS)
    assert rare.low[1].min() == 0.0
    assert rare.values.min() >= 0.0
    assert rare.high[1].min() > 0.9
    falling = forecast(of(100 - np.arange(110) * 0.9 + noise(14, 110)), bounds=COUNTS)
    assert falling.values.min() >= 0.0
    share = forecast(of(np.clip(rng.normal(0.95, 0.06, 140), 0, 1)), bounds=Bounds(0, 1))
    assert share.high[1].max() <= 1.0
    assert ordered(rare)
    assert ordered(falling)
    assert ordered(share)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e15])
def test_the_unit_does_not_matter(scale: float) -> None:
    values = 100 + weekly(120) + noise(15, 120, 9.0)
    found, usual = forecast(of(values * scale)), forecast(of(values))
    assert found.values / scale == pytest.approx(usual.values, rel=0.02)
    assert found.model == usual.model


def test_too_few_days_are_told_by_the_last_week_and_it_is_said() -> None:
    values = [10.0, 12, 9, 11, 10, 30, 28, 11, 13, 10, 12, 11, 31, 29]
    found = forecast(of(values), horizon=10)
    assert (found.method, found.model, found.quality) == ("heuristic", "seasonal_naive", None)
    assert found.reason == "A model needs 100 days with a value, and there are 14."
    assert found.values == pytest.approx([*values[7:], *values[7:10]])
    # Each day is 1 above its weekday: the second week ahead is root 2 less sure.
    assert found.high[0][0] - found.values[0] == pytest.approx(student.ppf(0.9, 7))
    assert found.high[0][7] - found.values[7] == pytest.approx(student.ppf(0.9, 7) * np.sqrt(2))


@pytest.mark.parametrize(("days", "share"), [(60, 1.0), (200, 0.3), (300, 0.15)])
def test_what_fills_gaps_makes_no_interval_narrower(days: int, share: float) -> None:
    dice, inside = np.random.default_rng(3), []
    for _ in range(200):
        came = dice.normal(100, 10, days + 7)
        known = came[:days].copy()
        known[1:-1][dice.random(days - 2) >= share] = np.nan
        found = forecast(of(known), horizon=7)
        assert found.method == "heuristic"
        inside.append((found.low[0] <= came[days:]) & (came[days:] <= found.high[0]))
    assert 0.75 <= np.mean(inside) <= 0.85


def test_less_than_two_weeks_are_told_by_their_mean() -> None:
    found = forecast(of([4.0, 8.0, 6.0]), horizon=3)
    assert (found.method, found.model) == ("heuristic", "mean")
    assert found.values == pytest.approx([6.0] * 3)
    # Their spread is 2, and that of a new one beside a mean of three root (1 + 1/3) greater.
    assert found.high[1] - 6 == pytest.approx(student.ppf(0.975, 2) * 2 * np.sqrt(4 / 3))


def test_of_one_day_nobody_knows_how_far_the_next_is() -> None:
    found = forecast(of([7.0]), horizon=2)
    assert list(found.values) == [7.0, 7.0]
    assert np.isnan(found.low).all()


def test_a_long_horizon_needs_more_days() -> None:
    found = forecast(of(50 + noise(16, 120)), horizon=90)
    assert found.reason == "A model needs 139 days with a value, and there are 120."
    assert len(found.values) == 90


@pytest.mark.parametrize("values", [[], [float("nan")], [float("inf")] * 120])
def test_without_any_value_there_is_none(values: list[float]) -> None:
    with pytest.raises(ValueError, match="no value"):
        forecast(of(values))


def test_each_kind_of_season_is_one_that_the_truth_has() -> None:
    """White noise has no weekday: the pattern that chance makes of it is shrunk away."""
    found = forecast(of(1000 + noise(17, 140, 50.0)))
    assert np.ptp(found.values) < WEEKEND
