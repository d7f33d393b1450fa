"""Engagement by what a profile keeps, against days weighed one by one."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.engagement import engagement_score
from loopin_streams.behaviour.engagement import left_over, profile_engagement, weighed_days

ERA = 28
DAY = 735 * ERA + 9


@given(st.integers(0, 500), st.integers(0, 60))
def test_days_weigh_as_the_events_of_their_era(tenure: int, into: int) -> None:
    day = DAY + into
    exact = sum(0.5 ** (day // ERA - each // ERA) for each in range(day - tenure, day + 1))
    assert weighed_days(day - tenure, day) == pytest.approx(exact, rel=1e-3)


def test_a_steady_user_has_the_score_of_the_same_days() -> None:
    """Four page views and a like every other day, for long: what counts fade to is the same a day."""
    days = [day for day in range(DAY - 700, DAY + 1) if day % 2]
    actions = {"$pageview": 0.0, "content_liked": 0.0}
    for day in days:
        actions["$pageview"] += 4 * left_over(DAY // ERA - day // ERA)
        actions["content_liked"] += left_over(DAY // ERA - day // ERA)
    assert profile_engagement(DAY - 700, DAY, days, actions) == pytest.approx(
        engagement_score(14, 28, 56, 14), abs=0.01
    )


def test_a_new_user_is_judged_by_the_days_since_the_first() -> None:
    assert profile_engagement(DAY, DAY, [DAY], {"$pageview": 3}) == engagement_score(1, 1, 3, 0)
    found = profile_engagement(DAY - 3, DAY, [DAY - 3, DAY], {"content_shared": 1, "$pageview": 2})
    assert found == pytest.approx(engagement_score(2, 4, 2, 1))


def test_days_before_the_last_28_are_no_presence() -> None:
    assert profile_engagement(DAY - 99, DAY, [DAY - 28, DAY - 99], {}) == 0
    assert profile_engagement(DAY - 99, DAY, [DAY - 27], {}) == engagement_score(1, 28, 0, 0)


def test_who_was_away_for_28_days_did_nothing_in_them() -> None:
    assert profile_engagement(DAY - 99, DAY, [DAY - 28], {"$pageview": 50, "content_liked": 9}) == 0


@given(st.sets(st.integers(0, 60), min_size=1), st.integers(0, 200), st.floats(0, 90))
def test_it_never_rises_by_time_alone(there: set[int], begun: int, actions: float) -> None:
    days = [DAY + begun + day for day in there]
    scores = [
        profile_engagement(min(days), day, days, {"$pageview": weight, "content_shared": weight / 3})
        for day in range(max(days), max(days) + 99)
        for weight in [actions * left_over(day // ERA - max(days) // ERA)]
    ]
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(scores))
