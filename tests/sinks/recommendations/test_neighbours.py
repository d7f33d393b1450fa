"""What the same users take is near."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from loopin_sinks.recommendations.neighbours import near, neighbours


def test_items_of_the_same_users_are_near_and_no_others() -> None:
    taken = np.zeros((40, 6))
    taken[:20, :3] = 1
    taken[20:, 3:] = 1
    rows, columns, weights = neighbours(csr_matrix(taken))
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        (one, other) for one in range(6) for other in range(6) if one != other and one // 3 == other // 3
    }
    assert weights == pytest.approx(1.0)
    # Who took the first is near the second and third.
    one = np.zeros((41, 6))
    one[:40] = taken
    one[40, 0] = 1
    assert (near(csr_matrix(one)).toarray()[40] > 0).tolist() == [False, True, True, False, False, False]


def test_what_everybody_takes_speaks_for_nothing_much() -> None:
    dice = np.random.default_rng(3)
    taken = np.zeros((60, 8))
    taken[:, 0] = 1
    taken[:30, 1:3] = 1
    taken[30:, 3:5] = 1
    taken[np.arange(60), dice.integers(5, 8, 60)] = 1
    rows, columns, weights = neighbours(csr_matrix(taken))
    weight = {(row, column): value for row, column, value in zip(rows, columns, weights, strict=True)}
    assert weight[1, 2] > weight[1, 0]
    assert weight[3, 4] > weight[3, 0]
    assert (1, 3) not in weight


def test_nothing_taken_is_near_nothing() -> None:
    rows, columns, weights = neighbours(csr_matrix((3, 4)))
    assert len(rows) == len(columns) == len(weights) == 0
    assert near(csr_matrix((3, 4))).toarray().tolist() == np.zeros((3, 4)).tolist()
    assert len(neighbours(csr_matrix(np.eye(3)))[2]) == 0
