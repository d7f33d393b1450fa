"""A linear model of words and pairs of words: multinomial logistic and linear regression, trained offline.

``loopin_text.opinion.train`` trains it with scikit-learn; to score takes the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from loopin_text.opinion.method import Scored
from loopin_text.opinion.words import words_of
from loopin_text.sentiment import Label

LABELS: Final[tuple[Label, Label, Label]] = ("negative", "neutral", "positive")
"""In the order of all that has a number for each."""


class Outputs(NamedTuple):
    """What the model computes of a text."""

    negative: float
    """Logit against neutral."""
    positive: float
    """Logit against neutral."""
    rating: float
    """The mean rating that people would give, -4 to 4: linear regression."""


def grams_of(words: Sequence[str]) -> list[str]:
    """Each word and each two that follow each other, once, in the order in which they first come."""
    return list(dict.fromkeys((*words, *map(" ".join, pairwise(words)))))


def softmax(logits: Sequence[float]) -> list[float]:
    """Probabilities that add up to 1."""
    top = max(logits)
    raised = [math.exp(logit - top) for logit in logits]
    total = sum(raised)
    return [each / total for each in raised]


class LinearMethod:
    """Judges by the n-grams that it knows, which weigh 1 / sqrt(their number) each.

    Args:
        intercepts: what a text without a known n-gram has.
        weights: what an n-gram adds to it.
    """

    name = "linear"

    def __init__(self, intercepts: Outputs, weights: Mapping[str, Outputs]) -> None:
        self.intercepts = intercepts
        self.weights = weights

    def score(self, text: str) -> Scored:
        """The probability of positive less that of negative, and the likeliest label."""
        said = self.outputs(words_of(text))
        # Classes weigh the same in training, however rare: probabilities of a world where they are.
        logits = (said.negative, 0.0, said.positive)
        negative, _, positive = softmax(logits)
        best = max(range(3), key=logits.__getitem__)
        signals = (said.positive - said.negative, said.positive + said.negative, said.rating)
        return Scored(positive - negative, LABELS[best], signals)

    def outputs(self, words: Sequence[str]) -> Outputs:
        """What the model computes of these words."""
        known = [weight for gram in grams_of(words) if (weight := self.weights.get(gram))]
        if not known:
            return self.intercepts
        share = 1 / math.sqrt(len(known))
        sums = (sum(column) * share for column in zip(*known, strict=True))
        return Outputs(*map(float.__add__, self.intercepts, sums))
