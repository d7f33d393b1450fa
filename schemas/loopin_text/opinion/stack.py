"""The combination of the methods: stacked generalisation (Wolpert, 1992) by one linear layer.

What the methods say of a text, how strongly, whether they say nothing, how it is written, and each of those
by each: from that come the probability of each label and the rating that people would give.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

import msgspec

from loopin_text.opinion.linear import LABELS, softmax
from loopin_text.opinion.method import Scored
from loopin_text.sentiment import POSITIVE_FROM, Label, label


class Verdict(NamedTuple):
    """What the combination says."""

    label: Label
    score: float
    """-1 to 1: the mean rating that people would give, of -4 to 4, by 4; agrees with the label."""
    confidence: float
    """The probability that the label is right."""


class Calibration(msgspec.Struct, frozen=True):
    """How often labels are right."""

    claimed: tuple[float, ...]
    """Probabilities that the stack gives to its labels, in ascending order ..."""
    measured: tuple[float, ...]
    """... and how often such a label was right."""

    def confidence(self, probability: float) -> float:
        """How often a label of this probability is right: between the two measured nearest."""
        at = bisect_right(self.claimed, probability)
        if at == 0:
            return self.measured[0]
        if at == len(self.claimed):
            return self.measured[-1]
        low, high = self.claimed[at - 1], self.claimed[at]
        share = (probability - low) / (high - low)
        return self.measured[at - 1] + share * (self.measured[at] - self.measured[at - 1])


class Stack(msgspec.Struct, frozen=True):
    """Weights for one set of methods, all that there are or those that need no library."""

    methods: tuple[str, ...]
    """Whose signals it expects, in their order."""
    intercepts: tuple[float, float, float]
    weights: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    """Of each feature, to the logit of each label."""
    neutral_factor: float
    """By how much neutral counts more when the label is chosen: it is rare, and a third of macro-F1."""
    rating_intercept: float
    rating_weights: tuple[float, ...]
    agreeing: Calibration
    """Of labels that the rating has, too ..."""
    differing: Calibration
    """... and of those that it has not."""
    silent: float
    """How often a text of which every method says that it is neutral is."""
    unsaid: float
    """How often a text is neutral which the stack alone, and none of the methods, calls what it does."""

    def verdict(self, features: Sequence[float], feelings: Set[Label]) -> Verdict:
        """The judgement of a text with these features, of which the methods say these feelings.

        It is never one that no method has: how a text is written does not tell what it feels.
        """
        if not feelings:
            return Verdict("neutral", 0.0, self.silent)
        logits = [
            intercept + _dot(weights, features)
            for intercept, weights in zip(self.intercepts, self.weights, strict=True)
        ]
        likely = softmax(logits)
        weighed = [likely[0], likely[1] * self.neutral_factor, likely[2]]
        best = max(range(3), key=weighed.__getitem__)
        rating = (self.rating_intercept + _dot(self.rating_weights, features)) / 4
        if is_unsaid(LABELS[best], feelings):
            return Verdict("neutral", round(_agreeing("neutral", rating), 4), self.unsaid)
        calibration = self.agreeing if label(rating) == LABELS[best] else self.differing
        confidence = calibration.confidence(likely[best])
        return Verdict(LABELS[best], round(_agreeing(LABELS[best], rating), 4), round(confidence, 4))


def feelings_of(scored: Iterable[Scored]) -> Set[Label]:
    """Which of positive and negative the methods say."""
    return {each.label for each in scored} - {"neutral"}


def is_unsaid(chosen: Label, feelings: Set[Label]) -> bool:
    """Whether it is a feeling that none of the methods says."""
    return chosen != "neutral" and chosen not in feelings


def features_of(scored: Sequence[Scored], style: Sequence[float]) -> list[float]:
    """What a stack weighs: signals, their strengths, who says nothing, style, and style by signal."""
    signals = [signal for each in scored for signal in each.signals]
    return [
        *signals,
        *map(abs, signals),
        *(float(each.signals[0] == 0) for each in scored),
        *(float(each.label == "neutral") for each in scored),
        *style,
        *(trait * signal for trait in style for signal in signals),
        *(trait * abs(each.signals[0]) for trait in style for each in scored),
    ]


def _dot(weights: Sequence[float], features: Sequence[float]) -> float:
    return float(sum(map(operator.mul, weights, features)))


def _agreeing(label: Label, score: float) -> float:
    """The score nearest to this one that has the label by the bounds that all scores go by."""
    if label == "positive":
        return min(max(score, POSITIVE_FROM), 1.0)
    if label == "negative":
        return max(min(score, -POSITIVE_FROM), -1.0)
    edge = POSITIVE_FROM - 0.0001
    return max(-edge, min(score, edge))
