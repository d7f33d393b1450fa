"""Candidates as they travel, against the libraries that fitted them."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from loopin_schemas.model import Forest, Linear, Scorer
from loopin_streams.learning.candidates import CANDIDATES, AdaptiveTree, Candidate, OnlineLogistic, scorers
from loopin_streams.learning.scoring import effects, log_odds, logit


def drawn(number: int = 1500, seed: int = 3) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(number, 5)) * (1, 2, 0.5, 1, 1) + (0, 3, 0, -1, 0)
    chance = 1 / (1 + np.exp(-(1.5 * rows[:, 0] - 0.8 * (rows[:, 1] - 3) - 0.5)))
    return rows, rng.random(number) < chance


def taught(candidate: Candidate) -> Candidate:
    rows, outcomes = drawn()
    for row, outcome in zip(rows, outcomes, strict=True):
        candidate.learn(row, bool(outcome))
    candidate.fit(rows, outcomes)
    return candidate


def test_the_fitted_regression_is_the_librarys() -> None:
    rows, outcomes = drawn()
    scaler = StandardScaler().fit(rows)
    library = LogisticRegression(C=0.003, max_iter=1000).fit(scaler.transform(rows), outcomes)
    scorer = taught(CANDIDATES["logistic"]()).scorer()
    assert scorer is not None
    expected = library.decision_function(scaler.transform(rows))
    assert log_odds(scorer, rows) == pytest.approx(expected, abs=1e-6)


def test_the_online_regression_is_rivers() -> None:
    candidate = OnlineLogistic()
    taught(candidate)
    scorer = candidate.scorer()
    assert scorer is not None
    rows, _ = drawn(50, seed=9)
    for row, score in zip(rows, log_odds(scorer, rows), strict=True):
        scaled = candidate._scaler.transform_one(dict(enumerate(row.tolist())))
        assert 1 / (1 + np.exp(-score)) == pytest.approx(
            candidate._model.predict_proba_one(scaled)[True], abs=1e-6
        )


def test_a_tree_sends_each_row_where_rivers_does() -> None:
    candidate = AdaptiveTree()
    taught(candidate)
    scorer = candidate.scorer()
    assert isinstance(scorer, Forest)
    assert len(scorer.trees[0].feature) > 1
    rows, _ = drawn(200, seed=9)
    for row, score in zip(rows, log_odds(scorer, rows), strict=True):
        *_, leaf = candidate._model._root.walk(dict(enumerate(row.tolist())))
        share = (leaf.stats.get(True, 0) + 1) / (sum(leaf.stats.values()) + 2)
        assert score == pytest.approx(float(logit(np.array(share))))


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_learns_what_is_there_and_travels(name: str) -> None:
    candidate = taught(CANDIDATES[name]())
    scorer = candidate.scorer()
    assert scorer is not None
    rows, outcomes = drawn(1000, seed=9)
    scores = log_odds(scorer, rows)
    assert scores[outcomes].mean() - scores[~outcomes].mean() > 0.1
    travelled = msgspec.json.decode(msgspec.json.encode(scorer), type=Scorer)
    assert (log_odds(travelled, rows) == scores).all()


def test_nothing_learned_is_no_scorer_and_a_blend_needs_its_parts() -> None:
    assert all(candidate().scorer() is None for candidate in CANDIDATES.values())
    assert not scorers({name: candidate() for name, candidate in CANDIDATES.items()})
    found = scorers({name: taught(CANDIDATES[name]()) for name in ("logistic", "adaptive_forest")})
    rows, _ = drawn(20, seed=9)
    mean = (log_odds(found["logistic"], rows) + log_odds(found["adaptive_forest"], rows)) / 2
    assert log_odds(found["ensemble"], rows) == pytest.approx(mean)


def test_effects_of_a_line_and_of_a_tree_add_up_to_the_score() -> None:
    rows, _ = drawn(50, seed=9)
    line = taught(CANDIDATES["logistic"]()).scorer()
    tree = taught(CANDIDATES["adaptive_tree"]()).scorer()
    assert isinstance(line, Linear)
    assert isinstance(tree, Forest)
    usual = log_odds(line, np.array([line.centre]))[0]
    assert effects(line, rows).sum(axis=1) + usual == pytest.approx(log_odds(line, rows))
    root = float(logit(np.array(tree.trees[0].value[0])))
    assert effects(tree, rows).sum(axis=1) + root == pytest.approx(log_odds(tree, rows))
