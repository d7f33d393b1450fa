"""Scores against the library's published examples and against the library itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text import sentiment

# Text and compound, as printed in vaderSentiment's README ("Output for the above example code").
# Its emoji example is left out: the figure there is an older release's (3.3.2 itself prints 0.875).
PUBLISHED = [
    ("VADER is smart, handsome, and funny.", 0.8316),
    ("VADER is smart, handsome, and funny!", 0.8439),
    ("VADER is very smart, handsome, and funny.", 0.8545),
    ("VADER is VERY SMART, handsome, and FUNNY.", 0.9227),
    ("VADER is VERY SMART, handsome, and FUNNY!!!", 0.9342),
    ("VADER is VERY SMART, uber handsome, and FRIGGIN FUNNY!!!", 0.9469),
    ("VADER is not smart, handsome, nor funny.", -0.7424),
    ("The book was good.", 0.4404),
    ("At least it isn't a horrible book.", 0.431),
    ("The book was only kind of good.", 0.3832),
    ("The plot was good, but the characters are uncompelling and the dialog is not great.", -0.7042),
    ("Today SUX!", -0.5461),
    ("Today only kinda sux! But I'll get by, lol", 0.5249),
    ("Make sure you :) or :D today!", 0.8633),
    ("Not bad at all", 0.431),
]
LIBRARY = SentimentIntensityAnalyzer()
WORDS = [
    "good",
    "bad",
    "not",
    "but",
    "very",
    "kind",
    "of",
    "least",
    "at",
    "GREAT",
    ":)",
    "no",
    "!!!",
    "??",
    "💘",
    "the",
]


@pytest.mark.parametrize(("text", "compound"), PUBLISHED)
def test_scores_are_the_published_ones(text: str, compound: float) -> None:
    assert sentiment.score(text) == compound


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS), max_size=30).map(" ".join)))
@settings(max_examples=150, deadline=None)
def test_any_text_scores_as_the_library_does(text: str) -> None:
    expected = LIBRARY.polarity_scores(text)["compound"]
    assert sentiment.score(text) == expected
    assert sentiment.score(text) == expected, "a remembered score is the same"


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\x00", "qwerty", "12345", "यह कार्यक्रम"])
def test_texts_without_a_known_word_are_zero(text: str) -> None:
    assert sentiment.score(text) == 0.0


@pytest.mark.parametrize(
    ("compound", "label"),
    [
        (1.0, "positive"),
        (0.05, "positive"),
        (0.0499, "neutral"),
        (0.0, "neutral"),
        (-0.0499, "neutral"),
        (-0.05, "negative"),
        (-1.0, "negative"),
    ],
)
def test_labels_change_at_a_twentieth(compound: float, label: str) -> None:
    assert sentiment.label(compound) == label


def test_what_follows_the_scored_length_does_not_count() -> None:
    filler = "x " * sentiment.SCORED_WORDS
    assert sentiment.score(filler + "terrible") == 0.0
    assert sentiment.score("terrible " + filler) < -0.05


@pytest.mark.parametrize(
    "text", ["good but " * 120_000, "😂" * 5_000, "😀 " * 999, "no good " * 700, "x" * 10_000, "!? " * 2_000]
)
def test_no_text_gives_the_library_more_words_than_it_can_take(text: str) -> None:
    scored = sentiment.scored_part(text)
    expanded = "".join(f" {LIBRARY.emojis[c]} " if c in LIBRARY.emojis else c for c in scored)
    assert len(expanded.split()) <= sentiment.SCORED_WORDS
    assert text.startswith(scored)
    assert sentiment.score(text) == LIBRARY.polarity_scores(scored)["compound"]


def test_texts_up_to_the_limit_are_scored_whole() -> None:
    text = "fine " * (sentiment.SCORED_WORDS - 1) + "horrible"
    assert sentiment.scored_part(text) == text
    assert sentiment.scored_part(text + " horrible").strip() == text


def test_scores_are_remembered_within_a_bound() -> None:
    remembered = sentiment._remembered_compound
    remembered.cache_clear()
    for number in range(sentiment.CACHED_TEXTS + 10):
        remembered(f"{number}")
    sentiment.score("good " * sentiment.CACHED_LENGTH)
    assert remembered.cache_info().currsize == sentiment.CACHED_TEXTS
    remembered.cache_clear()


def test_threads_agree() -> None:
    texts = [f"{text} {number}" for number in range(20) for text, _ in PUBLISHED]
    expected = [LIBRARY.polarity_scores(text)["compound"] for text in texts]
    with ThreadPoolExecutor(8) as pool:
        for scores in pool.map(lambda _: [sentiment.score(text) for text in texts], range(8)):
            assert scores == expected


def test_texts_of_an_event_are_joined_in_the_order_of_the_names() -> None:
    properties = {"title": "Loved it", "rating": 5, "text": "Great event", "comment": " ", "review": None}
    assert sentiment.texts_of(properties) == "Great event\nLoved it"
    assert sentiment.texts_of(properties, ["title"]) == "Loved it"


@pytest.mark.parametrize(
    "properties", [{}, {"text": ""}, {"text": 5, "message": ["great"]}, {"note": "great"}]
)
def test_events_without_text_have_none(properties: dict[str, object]) -> None:
    assert sentiment.texts_of(properties) is None
