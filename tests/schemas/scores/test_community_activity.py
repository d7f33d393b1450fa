from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.community_activity import community_activity_score

COUNTS = st.tuples(*[st.integers(0, 10**9)] * 3)


@pytest.mark.parametrize(
    ("counts", "score"),
    [
        ((0, 0, 0), 0),
        ((50, 250, 10), 5),
        # 0.4 * 300/350 + 0.3 * 3000/3250 + 0.3 * 45/55 = 0.34286 + 0.27692 + 0.24545
        ((300, 3_000, 45), 8.6523),
    ],
)
def test_worked_examples(counts: tuple[int, int, int], score: float) -> None:
    assert community_activity_score(*counts) == pytest.approx(score, abs=5e-5)


@given(COUNTS, st.integers(0, 2), st.integers(1, 10**6))
def test_more_of_anything_never_lowers_it(counts: tuple[int, int, int], which: int, more: int) -> None:
    raised = [count + more * (number == which) for number, count in enumerate(counts)]
    assert 0 <= community_activity_score(*counts) <= community_activity_score(*raised) <= 10


def test_persons_count_for_more_than_the_same_actions_of_a_few() -> None:
    assert community_activity_score(100, 500, 5) > community_activity_score(10, 500, 5) + 1
