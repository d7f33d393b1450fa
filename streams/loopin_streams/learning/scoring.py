"""Scores of many users at once, by a model that is numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.model import Blend, Linear, Model, Scorer, Tree
from loopin_streams.learning.features import Rows

SUREST: Final = 0.999
"""No share of a tree counts as more certain than this."""

Values = NDArray[np.float64]


class Ready(Protocol):
    """A scorer whose numbers are arrays, for who scores by it often."""

    def log_odds(self, rows: Rows) -> Values:
        """Of each row, not calibrated."""
        ...

    def with_effects(self, rows: Rows) -> tuple[Values, Values]:
        """Log odds, and by how much each feature moves them away from a usual user's; (rows, features).

        Of a tree it is the change of the share at each node on the row's way, by the feature that is asked
        there (Saabas, 2014), in the log odds' place near the middle.
        """
        ...


def ready(scorer: Scorer) -> Ready:
    """A scorer to be used more than once."""
    if isinstance(scorer, Linear):
        return _Line(scorer.bias, np.array(scorer.weights), np.array(scorer.centre))
    if isinstance(scorer, Blend):
        return _Mean([ready(one) for one in scorer.of])
    return _Forest([_Tree.of(tree) for tree in scorer.trees], np.array(scorer.weights))


def log_odds(scorer: Scorer, rows: Rows) -> Values:
    """Of each row, not calibrated."""
    return ready(scorer).log_odds(rows)


def effects(scorer: Scorer, rows: Rows) -> Values:
    """By how much each feature moves each row's log odds: see :meth:`Ready.with_effects`."""
    return ready(scorer).with_effects(rows)[1]


def probabilities(model: Model, rows: Rows) -> Values:
    """Calibrated, 0 to 1."""
    return sigmoid(model.slope * log_odds(model.scorer, rows) + model.intercept)


def sigmoid(values: Values) -> Values:
    """Probabilities of log odds."""
    return 1 / (1 + np.exp(-np.clip(values, -35, 35)))


def logit(shares: Values) -> Values:
    """Log odds of probabilities."""
    bounded = np.clip(shares, 1 - SUREST, SUREST)
    return np.log(bounded / (1 - bounded))


@dataclass(frozen=True)
class _Line:
    bias: float
    weights: Values
    centre: Values

    def log_odds(self, rows: Rows) -> Values:
        found: Values = (rows - self.centre) @ self.weights
        return self.bias + found

    def with_effects(self, rows: Rows) -> tuple[Values, Values]:
        moved: Values = (rows - self.centre) * self.weights
        return self.bias + moved.sum(axis=1), moved


@dataclass(frozen=True)
class _Mean:
    of: Sequence[Ready]

    def log_odds(self, rows: Rows) -> Values:
        mean: Values = np.mean([one.log_odds(rows) for one in self.of], axis=0)
        return mean

    def with_effects(self, rows: Rows) -> tuple[Values, Values]:
        scores, moved = zip(*(one.with_effects(rows) for one in self.of), strict=True)
        return np.mean(scores, axis=0), np.mean(moved, axis=0)


@dataclass(frozen=True)
class _Tree:
    feature: NDArray[Any]
    threshold: Values
    left: NDArray[Any]
    right: NDArray[Any]
    value: Values
    odds: Values

    @classmethod
    def of(cls, tree: Tree) -> _Tree:
        value = np.array(tree.value, np.float64)
        return cls(
            np.array(tree.feature, np.intp),
            np.array(tree.threshold, np.float64),
            np.array(tree.left, np.intp),
            np.array(tree.right, np.intp),
            value,
            logit(value),
        )

    def walk(self, rows: Rows, moved: Values | None = None) -> NDArray[np.intp]:
        """The leaf of each row; what the nodes on the way move is added to ``moved``."""
        at = np.zeros(len(rows), np.intp)
        every = np.arange(len(rows))
        while (inside := self.feature[at] >= 0).any():
            asked = rows[every, self.feature[at]] <= self.threshold[at]
            following = np.where(inside, np.where(asked, self.left[at], self.right[at]), at)
            if moved is not None:
                step = self.odds[following] - self.odds[at]
                moved[every[inside], self.feature[at][inside]] += step[inside]
            at = following
        return at


@dataclass(frozen=True)
class _Forest:
    trees: Sequence[_Tree]
    weights: Values

    def log_odds(self, rows: Rows) -> Values:
        return self._odds([tree.value[tree.walk(rows)] for tree in self.trees])

    def with_effects(self, rows: Rows) -> tuple[Values, Values]:
        total, shares = np.zeros(rows.shape), []
        for tree, weight in zip(self.trees, self.weights, strict=True):
            moved = np.zeros(rows.shape)
            shares.append(tree.value[tree.walk(rows, moved)])
            total += weight * moved
        return self._odds(shares), total / self._weight

    @property
    def _weight(self) -> float:
        return max(float(self.weights.sum()), 1e-9)

    def _odds(self, shares: Sequence[Values]) -> Values:
        return logit(self.weights @ np.array(shares) / self._weight)
