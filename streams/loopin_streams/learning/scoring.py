"""Scores of many users at once, by a model that is numbers only."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.model import Blend, Forest, Linear, Model, Scorer, Tree
from loopin_streams.learning.features import Rows

SUREST: Final = 0.999
"""No share of a tree counts as more certain than this."""


def log_odds(scorer: Scorer, rows: Rows) -> NDArray[np.float64]:
    """Of each row, not calibrated."""
    if isinstance(scorer, Linear):
        linear: NDArray[np.float64] = (rows - np.array(scorer.centre)) @ np.array(scorer.weights)
        return scorer.bias + linear
    if isinstance(scorer, Blend):
        mean: NDArray[np.float64] = np.mean([log_odds(one, rows) for one in scorer.of], axis=0)
        return mean
    return _of_forest(scorer, rows)


def probabilities(model: Model, rows: Rows) -> NDArray[np.float64]:
    """Calibrated, 0 to 1."""
    return sigmoid(model.slope * log_odds(model.scorer, rows) + model.intercept)


def sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities of log odds."""
    return 1 / (1 + np.exp(-np.clip(values, -35, 35)))


def logit(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log odds of probabilities."""
    bounded = np.clip(shares, 1 - SUREST, SUREST)
    return np.log(bounded / (1 - bounded))


def effects(scorer: Scorer, rows: Rows) -> NDArray[np.float64]:
    """By how much each feature moves each row's log odds away from a usual user's; (rows, features).

    Of a tree it is the change of the share at each node on the row's way, by the feature that is asked there
    (Saabas, 2014), in the log odds' place near the middle.
    """
    if isinstance(scorer, Linear):
        found: NDArray[np.float64] = (rows - np.array(scorer.centre)) * np.array(scorer.weights)
        return found
    if isinstance(scorer, Blend):
        mean: NDArray[np.float64] = np.mean([effects(one, rows) for one in scorer.of], axis=0)
        return mean
    total = np.zeros(rows.shape)
    for tree, weight in zip(scorer.trees, scorer.weights, strict=True):
        total += weight * _effects_in(tree, rows)
    return total / max(sum(scorer.weights), 1e-9)


def _of_forest(forest: Forest, rows: Rows) -> NDArray[np.float64]:
    weights = np.array(forest.weights)
    shares = np.array([np.array(tree.value)[_leaves(tree, rows)] for tree in forest.trees])
    return logit(weights @ shares / max(float(weights.sum()), 1e-9))


def _leaves(tree: Tree, rows: Rows) -> NDArray[np.intp]:
    at = np.zeros(len(rows), np.intp)
    feature, threshold, left, right = _arrays(tree)
    every = np.arange(len(rows))
    while (inside := feature[at] >= 0).any():
        asked = rows[every, feature[at]] <= threshold[at]
        at = np.where(inside, np.where(asked, left[at], right[at]), at)
    return at


def _effects_in(tree: Tree, rows: Rows) -> NDArray[np.float64]:
    at = np.zeros(len(rows), np.intp)
    feature, threshold, left, right = _arrays(tree)
    value, every, found = np.array(tree.value), np.arange(len(rows)), np.zeros(rows.shape)
    while (inside := feature[at] >= 0).any():
        asked = rows[every, feature[at]] <= threshold[at]
        following = np.where(inside, np.where(asked, left[at], right[at]), at)
        moved = logit(value[following]) - logit(value[at])
        found[every[inside], feature[at][inside]] += moved[inside]
        at = following
    return found


def _arrays(tree: Tree) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    return np.array(tree.feature), np.array(tree.threshold), np.array(tree.left), np.array(tree.right)
