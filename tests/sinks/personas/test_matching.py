"""Clusters are known again by where they lie."""

from __future__ import annotations

from itertools import permutations

import numpy as np

from loopin_sinks.personas.matching import matched


def test_the_pairs_are_those_of_the_least_sum_of_all() -> None:
    dice = np.random.default_rng(2)
    for _ in range(20):
        former = dice.normal(size=(5, 4)) * 20
        order = dice.permutation(5)
        moved = former[order] + dice.normal(size=(5, 4))
        found = matched(moved, former)
        best = min(
            permutations(range(5)),
            key=lambda way: sum(np.linalg.norm(moved[new] - former[old]) for new, old in enumerate(way)),
        )
        assert found == list(best) == order.tolist()


def test_what_could_be_its_neighbour_as_well_is_not_known_again() -> None:
    former = np.array([[0.0, 0.0], [10.0, 0.0]])
    assert matched(np.array([[4.9, 0.0], [10.0, 0.0]]), former) == [0, 1]
    assert matched(np.array([[5.1, 0.0], [9.0, 0.0]]), former) == [None, 1]


def test_there_may_be_more_or_fewer_than_before() -> None:
    former = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    assert matched(former[[2, 0]], former) == [2, 0]
    assert matched(np.vstack([[50.0, 50.0], former]), former) == [None, 0, 1, 2]
    assert matched(former, np.empty((0, 2))) == [None, None, None]
