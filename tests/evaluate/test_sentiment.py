"""How the evaluation of texts counts."""

from __future__ import annotations

import pytest

from loopin_text.opinion.opinions import Opinion
from loopin_text.opinion.train.snippets import Snippet
from loopin_text.sentiment import Label
from tests.evaluate.sentiment import SENTENCES, Judged, calibration_error


def judged(rating: float, label: Label, confidence: float) -> Judged:
    opinion = Opinion(label, 0.0, confidence, 0, (), "en", True, {})
    return Judged(Snippet("tweets", "tweets 1", rating, "text"), opinion)


def test_the_calibration_error_is_the_mean_over_bins_by_their_texts() -> None:
    said = [
        *[judged(1, "positive", 0.95)] * 3,  # right 3 of 4, said 0.95
        judged(-1, "positive", 0.95),
        *[judged(0, "neutral", 0.55)] * 2,  # right 2 of 2, said 0.55
        judged(0, "neutral", 1.0),  # in the last bin, too
    ]
    # Bin 0.9 to 1: right 4 of 5, said 0.96. Bin 0.5 to 0.6: right 1, said 0.55.
    assert calibration_error(said) == pytest.approx((5 * abs(0.8 - 0.96) + 2 * abs(1 - 0.55)) / 7)


def test_what_is_always_as_right_as_it_says_has_no_error() -> None:
    said = [judged(1, "positive" if number < 7 else "negative", 0.7) for number in range(10)]
    assert calibration_error(said) == pytest.approx(0)


def test_the_sentences_of_other_languages_are_one_each() -> None:
    assert len(set(SENTENCES.values())) == len(SENTENCES) >= 10
    assert "en" not in SENTENCES
