from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopin_schemas.scores.current_activity import current_activity

LEVELS = ["low", "medium", "high"]
COUNT = st.integers(0, 10**6)


@pytest.mark.parametrize(
    ("online", "peak", "level"),
    [
        (0, 0, "low"),
        (45, 67, "high"),
        (30, 67, "medium"),
        (22, 67, "low"),
        (2, 2, "low"),
        (3, 3, "high"),
        (3, 9, "medium"),
        (6, 9, "high"),
    ],
)
def test_worked_examples(online: int, peak: int, level: str) -> None:
    assert current_activity(online, peak) == level


@given(COUNT, COUNT, COUNT)
def test_more_online_never_lowers_it_and_a_higher_peak_never_raises_it(
    online: int, peak: int, more: int
) -> None:
    level = LEVELS.index(current_activity(online, peak))
    assert level <= LEVELS.index(current_activity(online + more, peak))
    assert level >= LEVELS.index(current_activity(online, peak + more))
