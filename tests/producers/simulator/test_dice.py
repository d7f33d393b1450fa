"""Draws against the distributions that they claim, by Kolmogorov and Smirnov's test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from scipy import stats

from loopin_producers.simulator.dice import Chance, Dice, cumulated

DICE = Chance("test", 1).dice("dice")


@pytest.mark.parametrize(
    ("draw", "distribution"),
    [
        (lambda: DICE.between(-2, 6), stats.uniform(-2, 8)),
        (lambda: DICE.wait(3.0), stats.expon(scale=3)),
        (DICE.normal, stats.norm()),
        (lambda: DICE.spread(0.45), stats.lognorm(0.45)),
    ],
)
def test_numbers_have_their_distribution(
    draw: Callable[[], float], distribution: stats.rv_continuous
) -> None:
    assert stats.kstest([draw() for _ in range(20_000)], distribution.cdf).pvalue > 0.001


def test_names_give_even_and_independent_numbers() -> None:
    chance = Chance("test", 1)
    drawn = [chance.unit(f"user/{number}") for number in range(20_000)]
    assert stats.kstest(drawn, "uniform").pvalue > 0.001
    assert abs(stats.pearsonr(drawn[:-1], drawn[1:]).statistic) < 0.03


def test_choices_keep_their_weights() -> None:
    weights = (1.0, 0.0, 3.0)
    drawn = Counter(DICE.weighted("abc", cumulated(weights)) for _ in range(20_000))
    assert drawn["b"] == 0
    assert stats.binomtest(drawn["a"], 20_000, 0.25).pvalue > 0.001
    picked = Counter(DICE.pick("abcd") for _ in range(20_000))
    assert stats.chisquare([picked[letter] for letter in "abcd"]).pvalue > 0.001
    whole = Counter(DICE.whole(2, 4) for _ in range(3_000))
    assert set(whole) == {2, 3, 4}


def test_equal_names_give_equal_draws_and_others_do_not() -> None:
    one, two, other = Chance("w", 1), Chance("w", 1), Chance("w", 2)
    assert one.number("a") == two.number("a") != other.number("a")
    assert one.number("a") != one.number("b")
    assert [one.dice("a").random() for _ in range(3)] == [Dice(one.number("a")).random()] * 3
