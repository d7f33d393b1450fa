"""Which features a model goes by most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.model import Forest, Linear, Scorer
from loopin_streams.learning.targets import Target


class Strength(NamedTuple):
    """A feature by name; ``share`` (0-1) of all that features do, and whether more of it raises the score."""

    feature: str
    share: float
    raises: bool


def strengths(scorer: Scorer, target: Target) -> list[Strength]:
    """Of all features that take part, strongest first.

    In a linear model a feature is as strong as its weight, in trees as the shares of positive outcomes differ
    between the two sides of the nodes that ask for it; in a mean of models it is the mean.
    """
    strong, signed = _strong(scorer, len(target.features))
    order = np.argsort(-strong, kind="stable")
    return [
        Strength(target.features[place], float(strong[place]), bool(signed[place] > 0))
        for place in order
        if strong[place] > 0
    ]


def _strong(scorer: Scorer, features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How strong each feature is, in shares of one, and the same with the sign of what it does."""
    if isinstance(scorer, Linear):
        weights = np.array(scorer.weights)
        return _shares(np.abs(weights), weights)
    if isinstance(scorer, Forest):
        return _of_forest(scorer, features)
    each = [_strong(one, features) for one in scorer.of]
    strong, signed = (np.mean(part, axis=0) for part in zip(*each, strict=True))
    return strong, signed


def _of_forest(forest: Forest, features: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    strong, signed = np.zeros(features), np.zeros(features)
    for tree, weight in zip(forest.trees, forest.weights, strict=True):
        for at, feature in enumerate(tree.feature):
            if feature >= 0:
                moved = weight * (tree.value[tree.right[at]] - tree.value[tree.left[at]])
                strong[feature] += abs(moved)
                signed[feature] += moved
    return _shares(strong, signed)


def _shares(
    strong: NDArray[np.float64], signed: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    total = float(strong.sum()) or 1.0
    return strong / total, signed / total
