"""From signals to the probability that a user who takes anything within a week takes an item."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loopin_sinks.recommendations.platform_events import Bools, Floats
from loopin_sinks.store.errors import StoreError

LEAST_TAKEN: Final = 100
"""Pairs of a user and an item that was taken: with fewer, weights by hand count."""

LEAST_SPREAD: Final = 0.1
"""A signal that hardly differs between pairs teaches little: a pair that does differ must not be far off."""

MOST_PAIRS: Final = 500_000
"""Pairs that weights are learned from; more are drawn from by a seed."""


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


def learned(names: Sequence[str], signals: Floats, taken: Bools) -> Ranker | None:
    """A ranker fitted on pairs; None for too few that were taken.

    Args:
        names: of the signals.
        signals: (pairs, signals).
        taken: whether the user took the item in the week after, (pairs,).
    """
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    if taken.sum() < LEAST_TAKEN or taken.all():
        return None
    if len(taken) > MOST_PAIRS:
        drawn = np.random.default_rng(0).choice(len(taken), MOST_PAIRS, replace=False)
        signals, taken = signals[drawn], taken[drawn]
    mean, spread = signals.mean(axis=0), signals.std(axis=0).clip(min=LEAST_SPREAD)
    with threadpool_limits(1):
        model = LogisticRegression(C=1.0, max_iter=1_000).fit((signals - mean) / spread, taken)
    weights = model.coef_[0] / spread
    return Ranker(
        tuple(names), tuple(map(float, mean)), tuple(map(float, weights)), float(model.intercept_[0]), True
    )


def check_installed() -> None:
    """Raise StoreError where what learns is not there."""
    try:
        import implicit.nearest_neighbours  # noqa: F401  # only whether it is there
        import sklearn.linear_model  # noqa: F401  # likewise
    except ImportError as error:
        reason = "Recommendations are learned by scikit-learn and implicit: install loopin-analytics[models]."
        raise StoreError("models_missing", reason) from error
