"""A linear model of words and pairs of words: multinomial logistic regression, trained offline.

``loopin_text.opinion.train`` trains it with scikit-learn; to score takes the standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from loopin_text.opinion.method import Scored
from loopin_text.opinion.words import words_of
from loopin_text.sentiment import Label

LABELS: Final[tuple[Label, Label, Label]] = ("negative", "neutral", "positive")
"""In the order of all triples here."""

Triple = tuple[float, float, float]
"""A number for each of ``LABELS``."""


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
    """Judges by the n-grams that it knows; their number does not count, as they weigh 1 / sqrt(number) each.

    Args:
        intercepts: the logits of a text without a known n-gram.
        weights: what an n-gram adds to each.
    """

    name = "linear"

    def __init__(self, intercepts: Triple, weights: Mapping[str, Triple]) -> None:
        self.intercepts = intercepts
        self.weights = weights

    def score(self, text: str) -> Scored:
        """The probability of positive less that of negative, and the likeliest label."""
        logits = self.logits(words_of(text))
        negative, neutral, positive = softmax(logits)
        # Classes weigh the same in training, however rare: probabilities of a world where they are.
        best = max(range(3), key=logits.__getitem__)
        middle = sum(logits) / 3
        below, between, above = (logit - middle for logit in logits)
        return Scored(positive - negative, LABELS[best], (above - below, between, above))

    def logits(self, words: Sequence[str]) -> Triple:
        """Of each label; the greatest is the likeliest's."""
        known = [weight for gram in grams_of(words) if (weight := self.weights.get(gram))]
        if not known:
            return self.intercepts
        share = 1 / math.sqrt(len(known))
        negative, neutral, positive = (sum(column) * share for column in zip(*known, strict=True))
        first, second, third = self.intercepts
        return first + negative, second + neutral, third + positive
