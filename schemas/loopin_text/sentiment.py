"""Sentiment of a text: VADER's compound score and its label.

VADER (Hutto and Gilbert, 2014) is a lexicon with rules for English. Text in other languages mostly
scores 0.0, which is labelled neutral.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, Final, Literal

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

Label = Literal["positive", "neutral", "negative"]

TEXT_PROPERTIES: Final = ("text", "message", "review", "comment", "feedback", "title", "description")
"""Event properties that are scored when nothing else is configured."""

SCORED_LENGTH: Final = 5_000
"""Characters that are scored; what follows does not count. It bounds the time that one text can take."""

CACHED_LENGTH: Final = 500
"""Characters of the longest text whose score is remembered."""

CACHED_TEXTS: Final = 32_768
"""Texts remembered, least recently used out first: with ``CACHED_LENGTH``, at most 64 MB."""

POSITIVE_FROM: Final = 0.05
"""Lowest compound that is positive; its negative is the highest that is negative (VADER's own bounds)."""


@cache
def _analyzer() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()


def _compound(text: str) -> float:
    return float(_analyzer().polarity_scores(text)["compound"])


# lru_cache keeps its table under a lock, and the analyzer is only read once it is built: both are safe
# to share between threads.
_remembered_compound = lru_cache(maxsize=CACHED_TEXTS)(_compound)


def score(text: str) -> float:
    """VADER's compound of the first ``SCORED_LENGTH`` characters, from -1 (negative) to 1 (positive).

    0.0 for a text that is empty or has no word of the lexicon.
    """
    if not text or text.isspace():
        return 0.0
    if len(text) <= CACHED_LENGTH:
        return _remembered_compound(text)
    return _compound(text[:SCORED_LENGTH])


def label(compound: float) -> Label:
    """The label of a compound score: positive from 0.05, negative from -0.05 down, neutral between."""
    if compound >= POSITIVE_FROM:
        return "positive"
    if compound <= -POSITIVE_FROM:
        return "negative"
    return "neutral"


def texts_of(properties: Mapping[str, Any], names: Iterable[str] = TEXT_PROPERTIES) -> str | None:
    """The text of an event: its properties of these names, in their order, one below the other.

    Values that are not strings, or are blank, are passed over. None when nothing is left.
    """
    texts = [text for name in names if isinstance(text := properties.get(name), str) and text.strip()]
    return "\n".join(texts) if texts else None
