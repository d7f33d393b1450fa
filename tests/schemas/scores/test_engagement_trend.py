"""The published examples, and that doing more never makes a falling trend."""

from __future__ import annotations

from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.engagement_trend import engagement_change, engagement_trend

TRENDS = ["decreasing", "stable", "increasing"]
RATES = st.floats(0, 1e6)
SHARES = st.floats(0, 1)


def test_the_published_examples() -> None:
    assert engagement_change(2, 2, 0.5, 0.5) == 1
    assert engagement_change(1, 2, 0.25, 0.5) == pytest.approx(0.518, abs=0.001)
    assert engagement_change(0, 0, 0, 0) == 1
    assert [engagement_trend(change) for change in (0.8, 0.81, 1.24, 1.25)] == [
        *("decreasing", "stable", "stable", "increasing")
    ]


def test_whoever_comes_once_a_week_is_steady() -> None:
    """The sums of the docstring, added up day by day."""
    for since_visit in range(7):
        pace = {}
        for half_life in (10, 25):
            left = sum(0.5 ** ((7 * week + since_visit) / half_life) for week in range(200))
            pace[half_life] = left / sum(0.5 ** (day / half_life) for day in range(1_400))
        change = engagement_change(8 * pace[10], 8 * pace[25], pace[10], pace[25])
        assert engagement_trend(change) == "stable", since_visit


@given(RATES, RATES, SHARES, SHARES, RATES)
def test_more_of_late_is_never_a_lower_change(
    lately: float, usually: float, days: float, usual_days: float, more: float
) -> None:
    less = engagement_change(lately, usually, days, usual_days)
    greater = engagement_change(lately + more, usually, min(days + more, 1), usual_days)
    assert 0 < less <= greater * (1 + 1e-12)
    assert TRENDS.index(engagement_trend(less)) <= TRENDS.index(engagement_trend(greater * (1 + 1e-9)))
    assert less == pytest.approx(
        sqrt((lately + 0.03) * (days + 0.03) / (usually + 0.03) / (usual_days + 0.03))
    )
