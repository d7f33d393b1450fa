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


@given(st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.25, 0.5, 1.0])), max_size=40))
def test_no_other_interval_is_nearer(chances: list[float]) -> None:
    mass = distribution(chances)

    def amiss(low: int, high: int) -> float:
        inside, before, after = mass[low : high + 1].sum(), mass[:low].sum(), mass[high + 1 :].sum()
        return float(abs(inside - 0.8) + abs(before - after) / 2)

    found = head_count(chances)
    ends = range(len(mass))
    least = min(amiss(low, high) for low in ends for high in ends if low <= high)
    assert amiss(found.low, found.high) == pytest.approx(least, abs=1e-8)


def test_of_many_it_is_the_binomial_distribution() -> None:
    """Of those of the same chance each; two such groups are the convolution of both."""
    few, many = 700, 24_300
    found = distribution([0.2] * few + [0.9] * many)
    exact = np.convolve(binom.pmf(np.arange(few + 1), few, 0.2), binom.pmf(np.arange(many + 1), many, 0.9))
    assert len(found) == few + many + 1
    assert np.abs(found - exact).max() < 1e-12
    assert found.min() >= 0
    count = head_count([0.2] * few + [0.9] * many)
    assert count.expected == pytest.approx(few * 0.2 + many * 0.9)
    inside = exact[count.low : count.high + 1].sum()
    assert abs(inside - 0.8) <= exact.max()
    assert abs(exact[: count.low].sum() - exact[count.high + 1 :].sum()) <= 2 * exact.max()


@given(st.lists(st.floats(0, 1), min_size=50, max_size=300))
def test_of_some_it_is_one_after_the_other(chances: list[float]) -> None:
    mass = np.ones(1)
    for chance in chances:
        mass = np.convolve(mass, (1 - chance, chance))
    assert np.abs(distribution(chances) - mass).max() < 1e-12


def test_nobody_joined() -> None:
    assert head_count([]) == (0.0, 0, 0, 0.8)


def test_who_is_certain_is_within_the_interval() -> None:
    assert head_count([1.0] * 3 + [0.0] * 4) == (3.0, 3, 3, 0.8)
    found = head_count([1.0, 0.5, 1.0, 0.25])
    assert (found.low, found.high) == (2, 3)
