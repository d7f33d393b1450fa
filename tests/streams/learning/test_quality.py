"""Figures of quality against scikit-learn's."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from loopin_streams.learning.quality import TOP, auc, calibrated, calibration_error, quality


@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=2, max_size=80))
def test_auc_and_losses_are_those_of_the_library(pairs: list[tuple[int, bool]]) -> None:
    chances = np.array([chance / 10 for chance, _ in pairs])
    outcomes = np.array([outcome for _, outcome in pairs])
    found = quality(chances, outcomes)
    assert found is not None
    assert found.log_loss == pytest.approx(log_loss(outcomes, chances, labels=[False, True]))
    assert found.accuracy == pytest.approx(accuracy_score(outcomes, chances > 0.5))
    if outcomes.all() or not outcomes.any():
        assert found.auc is None
    else:
        assert found.auc == pytest.approx(roc_auc_score(outcomes, chances))


def test_of_nothing_there_is_no_quality() -> None:
    assert quality(np.array([]), np.array([], np.bool_)) is None
    assert auc(np.array([0.5]), np.array([True])) is None


def test_calibration_error_by_hand() -> None:
    chances = np.array([0.1] * 10 + [0.8] * 10)
    outcomes = np.array([True] * 3 + [False] * 7 + [True] * 6 + [False] * 4)
    # |0.1 - 0.3| and |0.8 - 0.6|, each of half of the predictions.
    assert calibration_error(chances, outcomes, bins=2) == pytest.approx(0.2)


def test_precision_of_the_top_twentieth() -> None:
    chances = np.linspace(0, 1, 100)
    outcomes = np.zeros(100, np.bool_)
    outcomes[[99, 97, 96, 10]] = True
    found = quality(chances, outcomes)
    assert found is not None
    assert found.precision_top == pytest.approx(3 / 5)


def test_of_a_constant_prediction_the_order_of_arrival_tells_nothing() -> None:
    outcomes = np.zeros(2000, np.bool_)
    outcomes[:100] = True
    for arrived in (outcomes, outcomes[::-1]):
        found = quality(np.full(2000, 0.05), arrived)
        assert found is not None
        assert found.precision_top == pytest.approx(0.05)
        assert found.calibration_error == pytest.approx(0)


PAIRS = st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=60)


@given(PAIRS, st.integers(1, 12))
def test_calibration_error_keeps_equal_predictions_together(pairs: list[tuple[int, bool]], bins: int) -> None:
    chances = np.array([chance / 10 for chance, _ in pairs])
    outcomes = np.array([outcome for _, outcome in pairs])
    # Places in ascending order; equal predictions go where the one in their middle does.
    ascending = sorted(chance for chance, _ in pairs)
    parts = np.array_split(np.arange(len(pairs)), min(bins, len(pairs)))
    part_of = {int(place): number for number, part in enumerate(parts) for place in part}
    members: dict[int, list[tuple[int, bool]]] = {}
    for chance, outcome in pairs:
        places = [at for at, other in enumerate(ascending) if other == chance]
        members.setdefault(part_of[(places[0] + places[-1]) // 2], []).append((chance, outcome))
    error = sum(abs(sum(chance / 10 - outcome for chance, outcome in part)) for part in members.values())
    assert calibration_error(chances, outcomes, bins) == pytest.approx(error / len(pairs))


@given(PAIRS)
def test_precision_of_the_top_is_the_mean_over_all_orders_of_equal_predictions(
    pairs: list[tuple[int, bool]],
) -> None:
    found = quality(np.array([chance / 10 for chance, _ in pairs]), np.array([one for _, one in pairs]))
    assert found is not None
    wanted = left = max(1, round(len(pairs) * TOP))
    hits = Fraction(0)
    for value in range(9, 0, -1):
        tied = [outcome for chance, outcome in pairs if chance == value]
        if tied:
            # Of a random order, each place among equals holds the share of them that happened.
            hits += min(left, len(tied)) * Fraction(sum(tied), len(tied))
            left -= min(left, len(tied))
    assert found.precision_top == pytest.approx(float(hits / wanted))


def test_calibration_is_the_regression_on_the_log_odds() -> None:
    rng = np.random.default_rng(4)
    scores = rng.normal(0, 2, 3000)
    outcomes = rng.random(3000) < 1 / (1 + np.exp(-(0.6 * scores - 1)))
    library = LogisticRegression(C=1e9).fit(scores[:, None], outcomes)
    slope, intercept = calibrated(scores, outcomes, weight=1e-9)
    assert (slope, intercept) == pytest.approx((library.coef_[0, 0], library.intercept_[0]), abs=1e-3)
    drawn = calibrated(scores[:5], outcomes[:5], weight=1e6)
    assert drawn == pytest.approx((1, 0), abs=1e-3)


@pytest.mark.parametrize("seed", range(12))
def test_no_calibration_is_worse_than_none_however_skewed_the_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.choice([-9.2, -4.595, -0.8, 0.5, 7.0], 1000, p=rng.dirichlet([1.0] * 5))
    outcomes = rng.random(1000) < rng.choice([0.02, 0.1, 0.3, 0.9])

    def loss(slope: float, intercept: float) -> float:
        chances = 1 / (1 + np.exp(-(slope * scores + intercept)))
        told = -np.log(np.clip(np.where(outcomes, chances, 1 - chances), 1e-300, 1)).sum()
        return float(told + 5 * ((slope - 1) ** 2 + intercept**2))

    slope, intercept = calibrated(scores, outcomes)
    best = loss(slope, intercept)
    assert best <= loss(1.0, 0.0)
    # The loss is convex: where no step to any side is better, nothing is.
    if slope > 0:
        for step in np.array([[1, 0], [0, 1], [1, 1], [1, -1]]) * 1e-3:
            for side in (1, -1):
                assert loss(slope + side * step[0], intercept + side * step[1]) >= best


def test_tied_scores_of_few_who_buy_do_not_drive_it_off() -> None:
    scores = np.r_[np.full(600, -4.595), np.full(200, -0.8), np.full(200, 0.5)]
    outcomes = np.zeros(1000, np.bool_)
    outcomes[:70] = outcomes[600:642] = outcomes[800:857] = True
    slope, intercept = calibrated(scores, outcomes)
    chances = 1 / (1 + np.exp(-(slope * np.array([-4.595, -0.8, 0.5]) + intercept)))
    assert chances == pytest.approx([0.116, 0.21, 0.285], abs=0.04)
