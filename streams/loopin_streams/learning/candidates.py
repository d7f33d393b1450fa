"""Models that compete for a target: each learns example by example, or is fitted with each version."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from river import forest, linear_model, optim, preprocessing, tree
from sklearn.linear_model import LogisticRegression

from loopin_schemas.model import Blend, Forest, Linear, Scorer, Tree
from loopin_streams.learning.features import Rows


class Candidate(Protocol):
    """Gives a scorer of what it has learned; None while it knows too little."""

    def learn(self, row: NDArray[np.float64], outcome: bool) -> None:
        """Learn from one example."""
        ...

    def fit(self, rows: Rows, outcomes: NDArray[np.bool_]) -> None:
        """A version is due: fit all kept examples, oldest first; both outcomes are among them."""
        ...

    def scorer(self) -> Scorer | None:
        """What it has learned."""
        ...


class RefittedLogistic:
    """Logistic regression (scikit-learn) of the newest examples, fitted anew with each version.

    ``strength`` is the inverse of the penalty on its weights; the default is for many like features and some
    hundred positive outcomes, and for users who change while a system is young.
    """

    def __init__(self, strength: float = 0.003) -> None:
        self._strength = strength
        self._found: Linear | None = None

    def learn(self, row: NDArray[np.float64], outcome: bool) -> None:
        """Nothing: it is fitted with the next version."""

    def fit(self, rows: Rows, outcomes: NDArray[np.bool_]) -> None:
        mean, scale = rows.mean(axis=0), np.maximum(rows.std(axis=0), _LEAST_SCALE)
        model = LogisticRegression(C=self._strength, max_iter=1000).fit((rows - mean) / scale, outcomes)
        self._found = _linear(float(model.intercept_[0]), model.coef_[0] / scale, mean)

    def scorer(self) -> Linear | None:
        return self._found


class OnlineLogistic:
    """River's logistic regression behind a scaler, one example after the other."""

    def __init__(self) -> None:
        self._scaler = preprocessing.StandardScaler()
        self._model = linear_model.LogisticRegression(optim.AdaGrad(0.02), l2=0.01)

    def learn(self, row: NDArray[np.float64], outcome: bool) -> None:
        seen = dict(enumerate(row.tolist()))
        self._scaler.learn_one(seen)
        self._model.learn_one(self._scaler.transform_one(seen), outcome)

    def fit(self, rows: Rows, outcomes: NDArray[np.bool_]) -> None:
        """Nothing: each example was learned when it came."""

    def scorer(self) -> Linear | None:
        places = sorted(self._scaler.means)
        if not places:
            return None
        scale = np.array([max(self._scaler.vars[at] ** 0.5, _LEAST_SCALE) for at in places])
        weights = np.array([self._model.weights.get(at, 0.0) for at in places]) / scale
        return _linear(
            float(self._model.intercept), weights, np.array([self._scaler.means[at] for at in places])
        )


_LEAST_SCALE: Final = 1e-6


def _linear(bias: float, weights: NDArray[np.float64], centre: NDArray[np.float64]) -> Linear:
    return Linear(bias, tuple(weights.tolist()), tuple(centre.tolist()))


class AdaptiveTree:
    """River's Hoeffding adaptive tree (Bifet and Gavalda, 2009)."""

    def __init__(self) -> None:
        self._model = tree.HoeffdingAdaptiveTreeClassifier(
            grace_period=100, leaf_prediction="mc", delta=0.01, seed=1
        )

    def learn(self, row: NDArray[np.float64], outcome: bool) -> None:
        self._model.learn_one(dict(enumerate(row.tolist())), outcome)

    def fit(self, rows: Rows, outcomes: NDArray[np.bool_]) -> None:
        """Nothing: each example was learned when it came."""

    def scorer(self) -> Forest | None:
        root = self._model._root
        return None if root is None else Forest((_flat(root),), (1.0,))


class AdaptiveForest:
    """River's adaptive random forest (Gomes et al., 2017)."""

    def __init__(self) -> None:
        self._model = forest.ARFClassifier(
            n_models=5, grace_period=50, leaf_prediction="mc", delta=0.05, seed=1
        )

    def learn(self, row: NDArray[np.float64], outcome: bool) -> None:
        self._model.learn_one(dict(enumerate(row.tolist())), outcome)

    def fit(self, rows: Rows, outcomes: NDArray[np.bool_]) -> None:
        """Nothing: each example was learned when it came."""

    def scorer(self) -> Forest | None:
        trees = tuple(_flat(one._root) for one in self._model if one._root is not None)
        return Forest(trees, tuple(1.0 for _ in trees)) if trees else None


def _flat(root: Any) -> Tree:
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []

    def add(node: Any) -> int:
        at = len(feature)
        # One of each outcome more than were seen, so that no leaf is certain (Laplace).
        seen = node.stats
        positive, negative = seen.get(True, 0.0), seen.get(False, 0.0)
        feature.append(-1)
        threshold.append(0.0)
        left.append(at)
        right.append(at)
        value.append((positive + 1) / (positive + negative + 2))
        if hasattr(node, "children"):
            feature[at], threshold[at] = node.feature, float(node.threshold)
            left[at], right[at] = add(node.children[0]), add(node.children[1])
        return at

    add(root)
    return Tree(tuple(feature), tuple(threshold), tuple(left), tuple(right), tuple(value))


CANDIDATES: Final[dict[str, Callable[[], Candidate]]] = {
    "logistic": RefittedLogistic,
    "online_logistic": OnlineLogistic,
    "adaptive_tree": AdaptiveTree,
    "adaptive_forest": AdaptiveForest,
}
"""By the name that their versions carry."""

BLENDS: Final[dict[str, Sequence[str]]] = {"ensemble": ("logistic", "adaptive_forest")}
"""Means of candidates' log odds, which compete as well."""


def scorers(candidates: dict[str, Candidate]) -> dict[str, Scorer]:
    """Of all candidates that have learned enough, and of their blends."""
    found: dict[str, Scorer] = {
        name: scorer for name, one in candidates.items() if (scorer := one.scorer()) is not None
    }
    for name, parts in BLENDS.items():
        of = [found[part] for part in parts if part in found]
        if len(of) == len(parts):
            found[name] = Blend(tuple(one for one in of if not isinstance(one, Blend)))
    return found
