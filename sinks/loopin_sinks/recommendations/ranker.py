"""From signals to the probability that a user who takes anything within a week takes an item."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loopin_sinks.recommendations.platform_events import Floats
from loopin_sinks.store.errors import StoreError

LEAST_TAKEN: Final = 100
"""Pairs of a user and an item that was taken: with fewer, weights by hand count."""

LEAST_SPREAD: Final = 0.1
"""A signal that hardly differs between pairs teaches little: a pair that does differ must not be far off."""


@dataclass(frozen=True, slots=True)
class Ranker:
    """A logistic regression over signals.

    Attributes:
        signals: their names.
        mean: what is usual of each.
        weights: what one unit more of each adds to the log odds.
        bias: log odds of an item all of whose signals are usual.
        learned: whether the weights were learned, else they are by hand.
    """

    signals: tuple[str, ...]
    mean: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    learned: bool

    @property
    def version(self) -> str:
        """Names the model: a digest of what it is made of."""
        numbers = np.round([*self.mean, *self.weights, self.bias], 9)
        return hashlib.sha256(" ".join(self.signals).encode() + numbers.tobytes()).hexdigest()[:16]

    def parts(self, signals: Floats) -> Floats:
        """What each signal adds to the log odds; of the same shape, (..., signals)."""
        return np.asarray((signals - np.array(self.mean)) * np.array(self.weights))

    def scores(self, signals: Floats) -> Floats:
        """The probability of each pair, 0 to 1, (...,)."""
        return np.asarray(1 / (1 + np.exp(-(self.parts(signals).sum(axis=-1) + self.bias))))


def by_hand(names: Sequence[str], weights: Sequence[float], bias: float) -> Ranker:
    """A ranker that nobody has fitted."""
    return Ranker(tuple(names), (0.0,) * len(names), tuple(weights), bias, learned=False)


def learned(names: Sequence[str], taken: Floats, others: Floats, oftener: float = 1.0) -> Ranker | None:
    """A ranker fitted on pairs; None for too few that were taken.

    Args:
        names: of the signals.
        taken: signals of pairs whose item the user took in the week after, (pairs, signals).
        others: of pairs whose item they did not take.
        oftener: how much likelier a pair that was taken is among these than another one.
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if len(taken) < LEAST_TAKEN or not len(others):
        return None
    signals, outcomes = np.concatenate([taken, others]), np.arange(len(taken) + len(others)) < len(taken)
    mean, spread = signals.mean(axis=0), signals.std(axis=0).clip(min=LEAST_SPREAD)
    with threadpool_limits(1):
        model = LogisticRegression(C=1.0, max_iter=1_000).fit((signals - mean) / spread, outcomes)
    weights = model.coef_[0] / spread
    bias = float(model.intercept_[0] - np.log(oftener))
    return Ranker(tuple(names), tuple(map(float, mean)), tuple(map(float, weights)), bias, learned=True)


def check_installed() -> None:
    """Raise StoreError where what learns is not there."""
    try:
        import implicit.nearest_neighbours  # noqa: F401  # only whether it is there
        import sklearn.linear_model  # noqa: F401  # likewise
    except ImportError as error:
        reason = "Recommendations are learned by scikit-learn and implicit: install loopin-analytics[models]."
        raise StoreError("models_missing", reason) from error
