"""What is taken for a series, and what models are told of it."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_sinks.forecasts.cleaning import learnable
from loopin_sinks.forecasts.series import Bounds
from tests.sinks.forecasts.made_up import FIRST, noise, of, weekly

NAN = float("nan")


def test_a_series_begins_with_its_first_value_and_ends_with_its_last() -> None:
    found = of([NAN, 0.0, 0.0, 3.0, NAN, float("inf"), 5.0, NAN])
    assert found.first == FIRST + timedelta(days=3)
    np.testing.assert_array_equal(found.values, [3.0, NAN, NAN, 5.0])
    assert (len(found), found.known) == (4, 2)
    # Of nothing but zeros each is a value.
    assert list(of([NAN, 0.0, 0.0]).values) == [0.0, 0.0]
    assert len(of([NAN, NAN])) == 0
    assert len(of([])) == 0


def test_a_spike_is_told_as_its_neighbours_and_weekday_are() -> None:
    clean = 500 + weekly(84) + noise(1, 84, 5.0)
    spiked = clean.copy()
    spiked[[30, 47, 48]] = [2000.0, 0.0, 0.0]  # a Wednesday, a Saturday and a Sunday
    told = learnable(spiked)
    np.testing.assert_array_equal(np.delete(told, [30, 47, 48]), np.delete(clean, [30, 47, 48]))
    assert told[[30, 47, 48]] == pytest.approx([500, 560, 560], abs=15)


def test_gaps_are_told_as_their_neighbours_and_weekdays_are() -> None:
    holed = 500 + weekly(84) + noise(2, 84, 5.0)
    holed[40:50] = NAN
    assert learnable(holed)[40:50] == pytest.approx(500 + weekly(84)[40:50], abs=15)


def test_a_new_level_is_no_spike() -> None:
    moved = np.concatenate([100 + noise(3, 60, 4.0), 300 + noise(4, 40, 4.0)])
    np.testing.assert_array_equal(learnable(moved), moved)


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9)), min_size=1, max_size=60).filter(
        lambda values: any(value is not None for value in values)
    )
)
def test_whatever_comes_is_learnable(values: list[float | None]) -> None:
    told = learnable(np.array([NAN if value is None else value for value in values], dtype=np.float64))
    known = [value for value in values if value is not None]
    assert len(told) == len(values)
    assert np.isfinite(told).all()
    assert abs(told).max() <= 5 * max(map(abs, known))


def test_bounds_hold_on_both_sides() -> None:
    values = np.array([-1.0, 0.5, 2.0])
    assert list(Bounds(0).clip(values)) == [0.0, 0.5, 2.0]
    assert list(Bounds(0, 1).clip(values)) == [0.0, 0.5, 1.0]
    assert list(Bounds().clip(values)) == [-1.0, 0.5, 2.0]
