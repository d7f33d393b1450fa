from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from loopin_streams.learning.head_count import distribution, head_count


@given(st.lists(st.floats(0, 1), max_size=8))
def test_the_distribution_is_that_of_all_cases(chances: list[float]) -> None:
    mass = [0.0] * (len(chances) + 1)
    for case in product((0, 1), repeat=len(chances)):
        of_case = 1.0
        for came, chance in zip(case, chances, strict=True):
            of_case *= chance if came else 1 - chance
        mass[sum(case)] += of_case
    assert distribution(chances) == pytest.approx(mass)


@given(st.integers(0, 60), st.floats(0.05, 0.95))
def test_the_interval_is_as_near_to_the_level_as_whole_numbers_allow(people: int, chance: float) -> None:
    found = head_count([chance] * people)
    assert found.expected == pytest.approx(people * chance)
    assert 0 <= found.low <= found.high <= people
    inside = binom.cdf(found.high, people, chance) - binom.cdf(found.low - 1, people, chance)
    # One number more or less at an end would be no nearer, but for the balance of both ends.
    step = max(binom.pmf(np.arange(people + 1), people, chance))
    assert abs(inside - 0.8) <= step


def test_nobody_joined() -> None:
    assert head_count([]) == (0.0, 0, 0, 0.8)
