"""How a text is written, whatever it says: whether it is a tweet or an editorial shows here."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Final

from loopin_text.opinion.words import NEGATED, plain
from loopin_text.sentiment import scored_part

_PERSONAL: Final = frozenset(["i", "i'm", "im", "my", "me", "we", "you", "u", "your", "lol", "haha"])
_NET: Final = re.compile("[#@&]|http")
_EMPHASIS: Final = re.compile(r"[:;=][-']?[()DPp/]|<3|!!|\.\.\.")

_LONGEST: Final = 4.0
"""Longer texts than the longest that was learned from count as that."""


def style_of(text: str, words: Sequence[str]) -> tuple[float, ...]:
    """Numbers from 0 to 5 on the style of the text's scored part; ``words`` are those of ``words_of``."""
    text = scored_part(text)
    count = 1 + len(words)
    ending = text.rstrip()[-1:]
    return (
        min(math.log(count), _LONGEST),
        min(text.count("!"), 5),
        min(text.count("?"), 5),
        float(any(character > "\u2000" for character in text)),
        sum(map(str.isupper, text)) / (len(text) + 1),
        float("but" in map(plain, words)),
        min(sum(word.startswith(NEGATED) for word in words), 9) / 3,
        float(_NET.search(text) is not None),
        float(text[:1].islower()),
        sum(plain(word) in _PERSONAL for word in words) / count,
        float(ending not in '.!?"'),
        float(_EMPHASIS.search(text) is not None),
    )
