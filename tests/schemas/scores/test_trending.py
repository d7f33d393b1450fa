"""The published examples, and that more and fresher acts never trend less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.trending import WEIGHTS, heat, trending_score

AGES = st.floats(0, 24 * 365)
ACTS = st.lists(st.tuples(st.sampled_from(sorted(WEIGHTS)), AGES), max_size=30)


def test_the_published_examples() -> None:
    assert trending_score(heat([])) == 0
    assert trending_score(heat([("content_viewed", 0)] * 50)) == 0.5
    assert trending_score(heat([("content_viewed", 24)] * 50)) == pytest.approx(1 / 3)
    mixed = [("content_viewed", 24.0)] * 10 + [("content_liked", 24.0)] * 4 + [("content_shared", 24.0)]
    assert trending_score(heat(mixed)) == pytest.approx(15 / 65)


def test_other_events_do_not_count() -> None:
    assert heat([("content_left", 0), ("$pageview", 0)]) == 0


@given(acts=ACTS, one=st.sampled_from(sorted(WEIGHTS)), age=AGES)
def test_more_is_never_less(acts: list[tuple[str, float]], one: str, age: float) -> None:
    before, after = trending_score(heat(acts)), trending_score(heat([*acts, (one, age)]))
    assert 0 <= before <= after < 1


@given(acts=ACTS, hours=st.floats(0, 1000))
def test_fresher_is_never_less(acts: list[tuple[str, float]], hours: float) -> None:
    later = [(name, age + hours) for name, age in acts]
    assert trending_score(heat(later)) <= trending_score(heat(acts))


@given(acts=ACTS)
def test_a_day_halves_the_heat(acts: list[tuple[str, float]]) -> None:
    assert heat([(name, age + 24) for name, age in acts]) == pytest.approx(heat(acts) / 2)
