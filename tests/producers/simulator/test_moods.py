"""Texts against the public scorer of sentiment, VADER."""

from __future__ import annotations

from collections import Counter

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_producers.simulator import moods
from loopin_producers.simulator.dice import Chance

from .worlds import Made

ANALYZER = SentimentIntensityAnalyzer()


def felt(words: str) -> str:
    """VADER's label, by its authors' thresholds."""
    compound = ANALYZER.polarity_scores(words)["compound"]
    return "positive" if compound >= 0.05 else "negative" if compound <= -0.05 else "neutral"


def test_reviews_are_felt_as_they_were_meant_but_for_the_ambiguous() -> None:
    dice = Chance("test", 1).dice("reviews")
    right: dict[bool, list[bool]] = {True: [], False: []}
    words = set()
    for mood in ("positive", "neutral", "negative"):
        for _ in range(1_500):
            text = moods.review(mood, dice)
            assert text.mood == mood
            words.add(text.words)
            right[text.ambiguous].append(felt(text.words) == mood)
    assert len(words) > 500
    assert 0.09 < len(right[True]) / 4_500 < 0.15
    assert sum(right[False]) / len(right[False]) > 0.9
    assert sum(right[True]) / len(right[True]) < 0.65


def test_short_texts_are_felt_as_they_were_meant() -> None:
    dice = Chance("test", 1).dice("short")
    for write in (moods.comment, moods.feedback):
        texts = [write(mood, dice) for mood in ("positive", "neutral", "negative") for _ in range(300)]
        assert sum(felt(text.words) == text.mood for text in texts) / len(texts) > 0.85


def test_the_truth_names_the_mood_of_every_text(made: Made) -> None:
    texts = {e["uuid"]: e for e in made.events if "text" in e["properties"]}
    assert set(made.notes.moods) == set(texts)
    assert {event["event"] for event in texts.values()} == {
        *("event_reviewed", "content_commented", "feedback_submitted"),
    }
    seen = Counter(truth["mood"] for truth in made.notes.moods.values())
    assert min(seen["positive"], seen["neutral"], seen["negative"]) > 0.1 * seen.total()


def test_stars_follow_the_mood_with_noise(made: Made) -> None:
    stars: dict[str, list[float]] = {"positive": [], "neutral": [], "negative": []}
    for event in made.events:
        if "rating" in event["properties"]:
            stars[made.notes.moods[event["uuid"]]["mood"]].append(event["properties"]["rating"])
    mean = {mood: sum(given) / len(given) for mood, given in stars.items()}
    assert mean["negative"] + 0.8 < mean["neutral"] < mean["positive"] - 0.4
    assert len(set(stars["neutral"])) >= 3
