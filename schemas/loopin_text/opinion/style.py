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
_CAPITALS: Final = 0.3
_MARKS: Final = 3
_PERSONAL_SHARE: Final = 0.2
"""What 99 of 100 texts that were learned from do not surpass: of more, nobody knows what it says."""


def style_of(text: str, words: Sequence[str]) -> tuple[float, ...]:
    """Numbers from 0 to 4 on the style of the text's scored part; ``words`` are those of ``words_of``."""
    text = scored_part(text)
    count = 1 + len(words)
    ending = text.rstrip()[-1:]
    return (
        min(math.log(count), _LONGEST),
        min(text.count("!"), _MARKS),
        min(text.count("?"), _MARKS),
        float(any(character > "\u2000" for character in text)),
        min(sum(map(str.isupper, text)) / (len(text) + 1), _CAPITALS),
        float("but" in map(plain, words)),
        min(sum(word.startswith(NEGATED) for word in words), 9) / 3,
        float(_NET.search(text) is not None),
        float(text[:1].islower()),
        min(sum(plain(word) in _PERSONAL for word in words) / count, _PERSONAL_SHARE),
        float(ending not in '.!?"'),
        float(_EMPHASIS.search(text) is not None),
    )
