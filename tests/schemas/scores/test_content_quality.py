"""The published examples, and that better numbers never make a worse score."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.content_quality import WEIGHTS, content_quality

RATES = st.floats(0, 1000)
SHARES = st.floats(0, 1)
KNOWN = {
    "engagement_rate": st.none() | RATES,
    "time_on_page": st.none() | st.floats(0, 1e9),
    "bounce_rate": st.none() | SHARES,
    "click_through_rate": st.none() | RATES,
}


def test_the_published_examples() -> None:
    middling = {
        "engagement_rate": 0.1,
        "time_on_page": 60.0,
        "bounce_rate": 0.5,
        "click_through_rate": 0.05,
    }
    assert [content_quality(views, **middling) for views in (1, 10**6)] == pytest.approx([0.5, 0.5])
    good = content_quality(
        180, engagement_rate=0.3, time_on_page=180, bounce_rate=0.2, click_through_rate=0.05
    )
    assert good == pytest.approx(0.70025)
    assert content_quality(5, engagement_rate=0) == pytest.approx(0.465)


def test_without_views_there_is_none() -> None:
    assert content_quality(0, engagement_rate=0.5) is None


def test_weights_add_up() -> None:
    assert sum(WEIGHTS.values()) == pytest.approx(1)


@given(views=st.integers(1, 10**9), rates=st.fixed_dictionaries(KNOWN))
def test_it_stays_within_bounds(views: int, rates: dict[str, Any]) -> None:
    score = content_quality(views, **rates)
    assert score is not None
    assert 0 <= score <= 1


@given(views=st.integers(1, 10**9), rates=st.fixed_dictionaries(KNOWN), data=st.data())
def test_better_is_never_worse(views: int, rates: dict[str, Any], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(KNOWN)))
    values = SHARES if name == "bounce_rate" else RATES
    low, high = sorted((data.draw(values), data.draw(values)))
    lesser, greater = (content_quality(views, **{**rates, name: value}) for value in (low, high))
    assert lesser is not None
    assert greater is not None
    if name == "bounce_rate":
        lesser, greater = greater, lesser
    assert lesser <= greater + 1e-12


@given(views=st.integers(1, 10**6), more=st.integers(1, 10**6), rates=st.fixed_dictionaries(KNOWN))
def test_more_views_bear_out_what_is_known(views: int, more: int, rates: dict[str, Any]) -> None:
    few, many = content_quality(views, **rates), content_quality(views + more, **rates)
    assert few is not None
    assert many is not None
    assert abs(few - 0.5) <= abs(many - 0.5) + 1e-12
