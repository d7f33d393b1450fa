"""A lexicon of whole-number valences, summed over a text's words.

The way of AFINN (Nielsen, 2011), whose list itself is not used: these valences were learned from the texts
that VADER's authors had rated, by ``loopin_text.opinion.train``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Final

from loopin_text.opinion.method import Scored
from loopin_text.opinion.words import NEGATED, words_of
from loopin_text.sentiment import label

GREATEST: Final = 5
"""Valences are whole numbers from -5 to 5, without 0."""

_ALPHA: Final = 15.0
"""A sum s becomes s / sqrt(s^2 + 15), as VADER normalises its own."""


class LexiconMethod:
    """Adds up the valence of each word; one that is negated counts the other way round.

    Args:
        valences: of words in small letters, emoticons among them.
    """

    name = "lexicon"

    def __init__(self, valences: Mapping[str, int]) -> None:
        self.valences = valences

    def score(self, text: str) -> Scored:
        """The normalised sum, -1 to 1; 0 without a known word."""
        total = self.sum(words_of(text))
        score = total / math.sqrt(total * total + _ALPHA)
        return Scored(score, label(score), (score,))

    def sum(self, words: Iterable[str]) -> int:
        """The sum of the words' valences."""
        valence = self.valences.get
        return sum(
            -valence(word[len(NEGATED) :], 0) if word.startswith(NEGATED) else valence(word, 0)
            for word in words
        )
