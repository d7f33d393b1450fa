from __future__ import annotations

from statistics import StatisticsError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_streams.alerts.robust import (
    CLIPPED_VARIANCE,
    LOCATION_CLIP,
    MAD_TO_SD,
    Q90_TO_SD,
    SCALE_CLIP,
    clipped,
    location,
    slope,
    spread,
)

small = st.integers(-50, 50).map(float)


def test_the_constants_are_those_of_normal_values() -> None:
    normal = np.random.default_rng(1).standard_normal(4_000_000)
    assert np.minimum(normal**2, SCALE_CLIP**2).mean() == pytest.approx(CLIPPED_VARIANCE, abs=0.005)
    assert MAD_TO_SD * np.median(np.abs(normal)) == pytest.approx(1, abs=0.005)
    assert Q90_TO_SD * np.quantile(np.abs(normal), 0.9) == pytest.approx(1, abs=0.005)


def test_an_error_is_held_within_two_standard_deviations() -> None:
    assert [clipped(error, 1.5) for error in (-9, -3, 1, 2.9, 100)] == [-3, -3, 1, 2.9, 3]
    assert LOCATION_CLIP == 2


def test_the_spread_is_the_standard_deviation_whatever_a_tenth_of_the_values_are() -> None:
    values = np.random.default_rng(1).normal(7, 3, 2000)
    assert spread(values.tolist()) == pytest.approx(values.std(), rel=0.05)
    values[:200] = 1e9
    assert spread(values.tolist()) == pytest.approx(3, rel=0.2)


def test_rare_events_have_a_spread_and_a_location_too() -> None:
    assert spread([0.0] * 8 + [5.0] * 2) == pytest.approx(5 * Q90_TO_SD)
    assert spread([0.0] * 7) == 0
    assert spread([]) == 0
    assert 0 < location([0.0] * 8 + [1.0] * 2) <= 0.2


def test_the_location_is_the_mean_but_of_wild_values() -> None:
    values = np.random.default_rng(1).normal(7, 3, 2000)
    assert location(values.tolist()) == pytest.approx(values.mean(), abs=0.1)
    values[:100] = 1e9
    assert location(values.tolist()) == pytest.approx(7, abs=0.5)
    with pytest.raises(StatisticsError):
        location([])


@given(st.lists(st.tuples(small, small), max_size=30))
def test_the_slope_leaves_the_least_absolute_deviations(points: list[tuple[float, float]]) -> None:
    found = slope(points)
    told = [(x, y) for x, y in points if x]
    if not told:
        assert found is None
        return
    assert found is not None
    x, y = np.array(told).T
    # The sum is piecewise linear in b, so that it is least at one of the bends.
    least = min(np.abs(y - bend * x).sum() for bend in y / x)
    assert np.abs(y - found * x).sum() == pytest.approx(least)
