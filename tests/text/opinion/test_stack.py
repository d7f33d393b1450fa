from __future__ import annotations

from collections.abc import Set
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from loopin_text.opinion.learned import learned
from loopin_text.opinion.method import Scored
from loopin_text.opinion.stack import Calibration, Stack, features_of
from loopin_text.sentiment import Label, label

STACK = Stack(
    methods=("one",),
    intercepts=(0.1, -0.2, 0.3),
    weights=((1.0, -2.0), (0.5, 0.0), (-1.0, 2.0)),
    neutral_factor=2.0,
    rating_intercept=0.5,
    rating_weights=(-1.0, 3.0),
    agreeing=Calibration((0.4, 0.6, 0.9), (0.3, 0.65, 0.85)),
    differing=Calibration((0.3, 0.5), (0.2, 0.45)),
    silent=0.4,
    unsaid=0.1,
)
BOTH: Final[Set[Label]] = {"negative", "positive"}
FEATURES = st.lists(st.floats(-50, 50), min_size=2, max_size=2)


@given(FEATURES)
def test_the_label_is_the_likeliest_with_neutral_counted_twice(features: list[float]) -> None:
    likely = softmax(np.array(STACK.weights) @ features + STACK.intercepts)
    best = int(np.argmax(likely * [1, 2, 1]))
    said = STACK.verdict(features, BOTH)
    assert said.label == ("negative", "neutral", "positive")[best]
    of = STACK.agreeing if label(rated(features)) == said.label else STACK.differing
    assert said.confidence == pytest.approx(np.interp(likely[best], of.claimed, of.measured), abs=0.0001)


@given(FEATURES)
def test_the_score_is_the_rating_by_four_and_agrees_with_the_label(features: list[float]) -> None:
    said = STACK.verdict(features, BOTH)
    rating = rated(features)
    assert label(said.score) == said.label
    assert -1 <= said.score <= 1
    if label(rating) == said.label and abs(rating) <= 1:
        assert said.score == pytest.approx(rating, abs=0.0001)


def rated(features: list[float]) -> float:
    return (0.5 - features[0] + 3 * features[1]) / 4


@given(FEATURES)
def test_what_no_method_says_is_neutral_however_likely(features: list[float]) -> None:
    assert STACK.verdict(features, set()) == ("neutral", 0.0, 0.4)
    free = STACK.verdict(features, BOTH)
    other: Label = "positive" if free.label == "negative" else "negative"
    said = STACK.verdict(features, {other})
    if free.label == "neutral":
        assert said == free
    else:
        assert (said.label, label(said.score), said.confidence) == ("neutral", "neutral", 0.1)


def test_features_are_signals_strengths_silences_style_and_products() -> None:
    scored = [Scored(0.5, "positive", (0.5, -2.0)), Scored(0.0, "neutral", (0.0,))]
    assert features_of(scored, (3.0,)) == [
        *(0.5, -2.0, 0.0),
        *(0.5, 2.0, 0.0),
        *(0.0, 1.0),
        *(0.0, 1.0),
        3.0,
        *(1.5, -6.0, 0.0),
        *(1.5, 0.0),
    ]


def test_those_of_the_release_are_calibrated_upwards() -> None:
    full, light = learned().stacks
    assert full.methods == ("vader", "textblob", "lexicon", "linear")
    assert light.methods == ("vader", "lexicon", "linear")
    for stack in (full, light):
        for each in (stack.agreeing, stack.differing):
            assert list(each.claimed) == sorted(set(each.claimed))
            assert list(each.measured) == sorted(each.measured)
            assert 0 <= each.measured[0] < 0.5 < each.measured[-1] <= 1
        assert stack.differing.measured[-1] < 0.6 < 0.9 < stack.agreeing.measured[-1]
        assert stack.unsaid < stack.silent < 0.6
