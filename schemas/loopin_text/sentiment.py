"""Sentiment of a text: VADER's compound score and its label.

VADER (Hutto and Gilbert, 2014) is a lexicon with rules for English. Text in other languages mostly
scores 0.0, which is labelled neutral. This is what every event's text gets in the stream;
``loopin_text.opinion`` judges by several methods, and costs a hundred times as much.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any, Final, Literal

from loopin_text.vader import Vader

Label = Literal["positive", "neutral", "negative"]

TEXT_PROPERTIES: Final = ("text", "message", "review", "comment", "feedback", "title", "description")
"""Event properties that are scored when nothing else is configured."""

SCORED_LENGTH: Final = 5_000
"""Characters that are scored; what follows does not count."""

SCORED_WORDS: Final = 200
"""Words that are scored, each emoji counting as those of its description; what follows does not count.

So no text takes more than a few milliseconds, not even one whose words nobody has sent before.
"""

CACHED_LENGTH: Final = 500
"""Characters of the longest text whose score is remembered."""

CACHED_TEXTS: Final = 32_768
"""Texts remembered, least recently used out first: with ``CACHED_LENGTH``, at most 64 MB."""

POSITIVE_FROM: Final = 0.05
"""Lowest compound that is positive; its negative is the highest that is negative (VADER's own bounds)."""


@cache
def shared_vader() -> Vader:
    """The scorer that everything in this process shares."""
    return Vader()


def _words(text: str) -> int:
    return len(shared_vader().described(text).split())


def scored_part(text: str) -> str:
    """The beginning of the text that holds at most ``SCORED_WORDS`` words."""
    text = text[:SCORED_LENGTH]
    # A blank between each two words, and no emoji: that cannot be too many.
    if (len(text) < 2 * SCORED_WORDS and text.isascii()) or _words(text) <= SCORED_WORDS:
        return text
    lengths = range(1, len(text) + 1)
    return text[: bisect_right(lengths, SCORED_WORDS, key=lambda length: _words(text[:length]))]


def _compound(text: str) -> float:
    return shared_vader().compound(scored_part(text))


# A repeated text costs 0.2 us instead of 7, any other 0.7 us more: it pays from one repeat in ten texts.
# It keeps its table under a lock: safe to share between threads.
_remembered_compound = lru_cache(maxsize=CACHED_TEXTS)(_compound)


def score(text: str) -> float:
    """VADER's compound of the text's beginning, from -1 (negative) to 1 (positive).

    The beginning is at most ``SCORED_LENGTH`` characters and ``SCORED_WORDS`` words.

    0.0 for a text that is empty or has no word of the lexicon.
    """
    if not text or text.isspace():
        return 0.0
    if len(text) <= CACHED_LENGTH:
        return _remembered_compound(text)
    return _compound(text)


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
