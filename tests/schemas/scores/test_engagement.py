"""The published examples, and that doing more never makes a lower score."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.engagement import (
    WEIGHTS,
    activity_level,
    engagement_level,
    engagement_score,
)

DAYS = st.integers(1, 3650)
COUNTS = st.integers(0, 10**9)
LEVELS = ["low", "medium", "high", "very_high"]
ACTIVITY = ["inactive", "low", "medium", "high"]


def test_the_published_examples() -> None:
    assert engagement_score(0, 30, 0, 0) == 0
    assert engagement_score(15, 30, 60, 15) == pytest.approx(0.5)
    assert engagement_score(1, 30, 30, 0) == pytest.approx(0.5 / 30 + 0.2 / 3)
    assert [activity_level(days, 30) for days in (0, 4, 5, 13)] == ["inactive", "low", "medium", "high"]
    assert [activity_level(days, 7) for days in (1, 3)] == ["medium", "high"]
    assert [engagement_level(score) for score in (0, 0.25, 0.5, 0.75)] == LEVELS
    assert engagement_level(0.2499) == "low"
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@given(days=DAYS, data=st.data(), views=COUNTS, reactions=COUNTS, more=st.tuples(COUNTS, COUNTS))
def test_more_is_never_less(
    days: int, data: st.DataObject, views: int, reactions: int, more: tuple[int, int]
) -> None:
    few, many = sorted((data.draw(st.integers(0, days)), data.draw(st.integers(0, days))))
    less = engagement_score(few, days, views, reactions)
    greater = engagement_score(many, days, views + more[0], reactions + more[1])
    assert 0 <= less <= greater + 1e-12 <= 1 + 1e-9
    assert LEVELS.index(engagement_level(less)) <= LEVELS.index(engagement_level(greater + 1e-12))
    assert ACTIVITY.index(activity_level(few, days)) <= ACTIVITY.index(activity_level(many, days))
