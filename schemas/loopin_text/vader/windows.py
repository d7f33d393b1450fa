"""The valence of a sentiment word among its neighbours.

VADER's rules look at the three words before a sentiment word, and at the two after it only if a rule names
the word itself ("no", "kind of", "kiss of death"). So a few classes settle a valence.
"""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Final

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from loopin_text.vader.memo import Memo
from loopin_text.vader.words import WordClasses

BEFORE: Final = 3
AFTER: Final = 2

_EDGE: Final = " " * BEFORE
"""Stands before the first word, so that each window has its sentiment word at the same place."""


class Windows:
    """Finds the sentiment words of a text, given as the letters of its words' classes."""

    def __init__(self, analyzer: SentimentIntensityAnalyzer, classes: WordClasses) -> None:
        self._analyzer = analyzer
        self._word = classes.word
        sentiment = f"[{classes.sentiment}]|[{classes.named_sentiment}].{{0,{AFTER}}}"
        # A look-ahead, because windows overlap.
        self._find = re.compile(f"(?=(.{{{BEFORE}}}(?:{sentiment})))").findall
        self._valence = Memo(self.valence)

    def valences(self, letters: str) -> list[float]:
        """The valence of each sentiment word, in their order; some may be 0."""
        return [self._valence[window] for window in self._find(_EDGE + letters)]

    def count(self, letters: str) -> int:
        """How many sentiment words there are."""
        return len(self._find(_EDGE + letters))

    def valence(self, window: str) -> float:
        """The library's own valence of the window's sentiment word."""
        words = [self._word[letter] for letter in window.lstrip()]
        at = BEFORE - (len(window) - len(words))
        word = words[at]
        if " ".join(words[at : at + 2]).lower() == "kind of":
            return 0.0
        # Capital letters come from texts with both kinds of words only; without one, this does not matter.
        text = SimpleNamespace(words_and_emoticons=words, is_cap_diff=True)
        return float(self._analyzer.sentiment_valence(0, text, word, at, [])[0])
