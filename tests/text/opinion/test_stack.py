from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from loopin_text.opinion.learned import learned
from loopin_text.opinion.method import Scored
from loopin_text.opinion.stack import Stack, features_of
from loopin_text.sentiment import label

STACK = Stack(
    methods=("one",),
    intercepts=(0.1, -0.2, 0.3),
    weights=((1.0, -2.0), (0.5, 0.0), (-1.0, 2.0)),
    neutral_factor=2.0,
    rating_intercept=0.5,
    rating_weights=(-1.0, 3.0),
    claimed=(0.4, 0.6, 0.9),
    measured=(0.3, 0.65, 0.85),
)
FEATURES = st.lists(st.floats(-50, 50), min_size=2, max_size=2)


@given(FEATURES)
def test_the_label_is_the_likeliest_with_neutral_counted_twice(features: list[float]) -> None:
    likely = softmax(np.array(STACK.weights) @ features + STACK.intercepts)
    best = int(np.argmax(likely * [1, 2, 1]))
    said = STACK.verdict(features)
    assert said.label == ("negative", "neutral", "positive")[best]
    assert said.confidence == pytest.approx(
        np.interp(likely[best], STACK.claimed, STACK.measured), abs=0.0001
    )


@given(FEATURES)
def test_the_score_is_the_rating_by_four_and_agrees_with_the_label(features: list[float]) -> None:
    said = STACK.verdict(features)
    rating = 0.5 - features[0] + 3 * features[1]
    assert label(said.score) == said.label
    assert -1 <= said.score <= 1
    if label(rating / 4) == said.label and abs(rating) <= 4:
        assert said.score == pytest.approx(rating / 4, abs=0.0001)


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
        assert list(stack.claimed) == sorted(set(stack.claimed))
        assert list(stack.measured) == sorted(stack.measured)
        assert 0 <= stack.measured[0] < 0.5 < 0.9 < stack.measured[-1] <= 1
