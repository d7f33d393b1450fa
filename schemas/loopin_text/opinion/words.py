"""The words of a text, as the methods that were learned from rated texts see them."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from loopin_text.opinion.emoji import with_emoticons
from loopin_text.sentiment import scored_part, shared_vader

NEGATED: Final = "not_"
"""Stands before a word that a negation reaches."""

REACH: Final = 3
"""Words after a negation that it reaches, unless a mark ends it sooner: as far as VADER looks back."""

NEGATIONS: Final = frozenset(
    ["aint", "arent", "barely", "cannot", "cant", "couldnt", "didnt", "doesnt", "dont", "hardly", "isnt"]
    + ["neither", "never", "no", "nobody", "none", "nor", "not", "nothing", "rarely", "seldom", "shouldnt"]
    + ["wasnt", "werent", "without", "wont", "wouldnt"]
)

# No repetition of one alternative can begin another: the time grows with the text's length only.
_TOKEN: Final = re.compile(
    r"[^\W\d_]+(?:['’][^\W\d_]+)?"  # a word
    r"|[:;=][-'^o]?[)(DPpd/\\|*O3\]\[]+|<3"  # an emoticon
    r"|[!?]+|[!-/:-@\[-`{-~]"  # marks of ASCII
)
_EYES: Final = frozenset(":;=<")
_ENDS: Final = frozenset(".,;:!?")


@lru_cache(maxsize=256)
def words_of(text: str) -> tuple[str, ...]:
    """Words in small letters, emoticons and marks of the text's scored part, in their order.

    An emoji counts as an emoticon. A word that a negation reaches begins with ``NEGATED``.
    """
    return _tokens(with_emoticons(html.unescape(scored_part(text))))


def described_words_of(text: str) -> tuple[str, ...]:
    """The same, with the words of its description in the place of each emoji."""
    return _tokens(shared_vader().described(html.unescape(scored_part(text))))


def _tokens(text: str) -> tuple[str, ...]:
    words: list[str] = []
    reach = 0
    for token in _TOKEN.findall(text):
        word = _plain_emoticon(token.lower().replace("’", "'"))
        if word[0] in _ENDS:
            reach = 0
        negated = reach > 0 and word[0].isalpha()
        words.append(NEGATED + word if negated else word)
        reach -= negated
        if word in NEGATIONS or word.endswith("n't"):
            reach = REACH
    return tuple(words)


def _plain_emoticon(word: str) -> str:
    """``:)`` for ``:))))``; anything else as it is."""
    return word.rstrip(word[-1]) + word[-1] if word[0] in _EYES and len(word) > 2 else word


def speaks(words: Iterable[str]) -> bool:
    """Whether there is a word or an emoticon among them, not only marks."""
    return any(is_said(word) for word in words)


def is_said(word: str) -> bool:
    """Whether it is a word or an emoticon, not a mark."""
    return word[0].isalpha() or (len(word) > 1 and word[0] in _EYES)


def plain(word: str) -> str:
    """The word without the sign of a negation."""
    return word.removeprefix(NEGATED)
