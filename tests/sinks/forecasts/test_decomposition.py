"""Parts that add up, and are those of the library and of the truth."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.tsa.seasonal import STL

from loopin_sinks.forecasts.decomposition import decompose
from tests.sinks.forecasts.made_up import noise, of, weekly


def test_parts_add_up_and_are_those_of_the_library() -> None:
    values = 100 + 0.5 * np.arange(120) + weekly(120) + noise(1, 120, 3.0)
    found = decompose(of(values))
    assert found is not None
    assert found.yearly is None
    np.testing.assert_allclose(found.trend + found.weekly + found.residual, values)
    theirs = STL(values, period=7, robust=True).fit()
    np.testing.assert_allclose(found.trend, theirs.trend)
    np.testing.assert_allclose(found.weekly, theirs.seasonal)
    # And of the truth: the weekend adds 60, the trend rises by a half each day.
    assert np.mean(found.weekly[5::7]) - np.mean(found.weekly[0::7]) == pytest.approx(60, abs=4)
    assert found.trend[-1] - found.trend[0] == pytest.approx(59.5, abs=5)


def test_a_year_is_a_part_where_there_are_two() -> None:
    days = np.arange(760)
    year = 80 * np.cos(2 * np.pi * days / 365)
    values = 1000 + year + weekly(760) + noise(2, 760, 5.0)
    found = decompose(of(values))
    assert found is not None
    assert found.yearly is not None
    np.testing.assert_allclose(found.trend + found.weekly + found.yearly + found.residual, values)
    assert np.corrcoef(found.yearly, year)[0, 1] > 0.97


def test_a_spike_is_in_the_rest_and_a_gap_has_none() -> None:
    values = 100 + weekly(90) + noise(3, 90, 1.0)
    values[45] += 500
    values[60] = np.nan
    found = decompose(of(values))
    assert found is not None
    assert found.residual[45] == pytest.approx(500, abs=30)
    assert np.isnan(found.residual[60])
    assert np.isfinite(found.trend).all()


def test_less_than_two_weeks_have_no_parts() -> None:
    assert decompose(of([1.0] * 13)) is None
    assert decompose(of([1.0, *[float("nan")] * 20, 2.0])) is None
    assert decompose(of([0.0] * 14)) is not None
