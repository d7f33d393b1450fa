"""Learns how the methods are combined, from what they say of texts that they were not trained with."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import f1_score
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from loopin_text.opinion.learned import Learned
from loopin_text.opinion.lexicon import LexiconMethod
from loopin_text.opinion.linear import LABELS, LinearMethod, Outputs
from loopin_text.opinion.method import Scored
from loopin_text.opinion.methods import LIGHT, METHODS
from loopin_text.opinion.stack import Calibration, Stack, features_of, feelings_of, is_unsaid
from loopin_text.opinion.style import style_of
from loopin_text.opinion.textblob import TextBlobMethod
from loopin_text.opinion.train.base import fit_lexicon, fit_linear
from loopin_text.opinion.train.snippets import Snippet
from loopin_text.opinion.vader import VaderMethod
from loopin_text.opinion.words import words_of
from loopin_text.sentiment import label

INNER: Final = 4
"""Parts of the training texts, each judged by methods that were trained with the others."""

FACTORS: Final = (1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0, 3.5, 4.0)
"""What is tried for how much neutral counts."""

EMPTY: Final = Learned({}, Outputs(0.0, 0.0, 0.0), {}, ())
"""Nothing learned yet."""

KNOTS: Final = 12
"""Points of a calibration."""

EDGE: Final = 0.01
"""The share of texts beyond its first and its last point ..."""

DOUBTED: Final = 0.1
"""... and that where label and rating differ: few of these are likely, and hardly for what is said there."""


@lru_cache(maxsize=65_536)
def _unlearned(text: str) -> tuple[Scored, Scored]:
    polarity = TextBlobMethod().score(text)
    assert polarity is not None, "TextBlob is not installed; the extra `models` has it."
    return VaderMethod().score(text), polarity


@lru_cache(maxsize=65_536)
def _written(text: str) -> tuple[tuple[str, ...], tuple[float, ...]]:
    words = words_of(text)
    return words, style_of(text, words)


def part_of(snippet: Snippet, parts: int, salt: str = "") -> int:
    """Which of so many parts a text is in, with all others of its group."""
    return zlib.crc32(f"{salt}{snippet.group}".encode()) % parts


def train(texts: Sequence[Snippet]) -> Learned:
    """Methods trained with texts of all three labels, and their combinations, with TextBlob and without."""
    # Sparse matrices this small take ten times as long in several threads.
    with threadpool_limits(1):
        return _train(texts)


def _train(texts: Sequence[Snippet]) -> Learned:
    scored: list[list[Scored]] = [[] for _ in texts]
    for part in range(INNER):
        where = [part_of(text, INNER, "inner ") == part for text in texts]
        lexicon, linear = _learned([text for text, out in zip(texts, where, strict=True) if not out])
        for at, text in enumerate(texts):
            if where[at]:
                scored[at] = [*_unlearned(text.text), lexicon.score(text.text), linear.score(text.text)]
    lexicon, linear = _learned(texts)
    names = [make(EMPTY).name for make in METHODS]
    return Learned(
        valences=lexicon.valences,
        intercepts=linear.intercepts,
        weights=linear.weights,
        stacks=(
            _stack(texts, names, scored),
            _stack(texts, LIGHT, [_only(names, each) for each in scored]),
        ),
    )


def _only(names: Sequence[str], scored: Sequence[Scored]) -> list[Scored]:
    return [each for name, each in zip(names, scored, strict=True) if name in LIGHT]


def _learned(texts: Sequence[Snippet]) -> tuple[LexiconMethod, LinearMethod]:
    words = [_written(text.text)[0] for text in texts]
    ratings = [text.rating for text in texts]
    return fit_lexicon(words, ratings), fit_linear(words, ratings, [text.label for text in texts])


def _stack(texts: Sequence[Snippet], names: Sequence[str], scored: Sequence[Sequence[Scored]]) -> Stack:
    features = np.array(
        [features_of(said, _written(text.text)[1]) for text, said in zip(texts, scored, strict=True)]
    )
    truth = np.array([LABELS.index(text.label) for text in texts])
    sizes = Counter(text.set for text in texts)
    weight = np.array([len(texts) / len(sizes) / sizes[text.set] for text in texts])
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    logistic = LogisticRegression(C=0.1, max_iter=400, tol=1e-4).fit(scaled, truth, sample_weight=weight)
    ridge = Ridge(alpha=300.0).fit(scaled, [text.rating for text in texts], sample_weight=weight)
    likely = logistic.predict_proba(scaled)
    factor = _neutral_factor([text.set for text in texts], truth, likely)
    says = (likely * [1, factor, 1]).argmax(axis=1)
    rated = np.array([LABELS.index(label(rating / 4)) for rating in ridge.predict(scaled)])
    silent = np.array([not feelings_of(said) for said in scored])
    unsaid = np.array(
        [is_unsaid(LABELS[at], feelings_of(said)) for at, said in zip(says, scored, strict=True)]
    )
    claimed = likely[np.arange(len(says)), says]
    right = says == truth

    def calibrated(which: Any, edge: float) -> Calibration:
        return _calibration(claimed[which], right[which], weight[which], edge)

    def neutral(which: Any) -> float:
        # One text of each label is added: few texts say little.
        return round(float((weight @ (which & (truth == 1)) + 1) / (weight @ which + len(LABELS))), 4)

    rows = [_unscaled(scaler, logistic.coef_[at], logistic.intercept_[at]) for at in range(3)]
    rating_weights, rating_intercept = _unscaled(scaler, ridge.coef_, ridge.intercept_)
    return Stack(
        methods=tuple(names),
        intercepts=(rows[0][1], rows[1][1], rows[2][1]),
        weights=(rows[0][0], rows[1][0], rows[2][0]),
        neutral_factor=factor,
        rating_intercept=rating_intercept,
        rating_weights=rating_weights,
        agreeing=calibrated(~silent & ~unsaid & (says == rated), EDGE),
        differing=calibrated(~silent & ~unsaid & (says != rated), DOUBTED),
        silent=neutral(silent),
        unsaid=neutral(unsaid & ~silent),
    )


def _unscaled(scaler: Any, weights: Any, intercept: float) -> tuple[tuple[float, ...], float]:
    """The same for features as they are."""
    own = weights / scaler.scale_
    start = float(intercept - own @ scaler.mean_)
    return tuple(float(f"{weight:.5g}") for weight in own), round(start, 5)


def _neutral_factor(sets: Sequence[str], truth: Any, likely: Any) -> float:
    """Which factor gives the greatest macro-F1, on average over the sets."""
    where = [np.array([each == name for each in sets]) for name in sorted(set(sets))]

    def quality(factor: float) -> float:
        said = (likely * [1, factor, 1]).argmax(axis=1)
        return float(np.mean([f1_score(truth[here], said[here], average="macro") for here in where]))

    return max(FACTORS, key=quality)


def _calibration(claimed: Any, right: Any, weight: Any, edge: float) -> Calibration:
    """How often labels are right, by the probability that the stack gives them (isotonic regression).

    The share ``edge`` of the least and that of the greatest count as the probability where they begin.
    """
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(claimed, right, sample_weight=weight)
    knots = np.unique(np.quantile(claimed, np.linspace(edge, 1 - edge, KNOTS), method="nearest").round(4))
    # The mean of what is around a knot: the regression itself goes in steps.
    near = [np.abs(claimed - knot) <= 0.04 for knot in knots]
    fitted = isotonic.predict(claimed)
    means = [float(np.average(fitted[here], weights=weight[here])) for here in near]
    measured = (round(float(each), 4) for each in np.maximum.accumulate(means))
    return Calibration(tuple(map(float, knots)), tuple(measured))
