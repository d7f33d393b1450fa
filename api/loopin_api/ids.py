"""Ids as they are answered: text inside, a number where a client's id was one."""

from __future__ import annotations

import re
from typing import Final

MAX_NUMBER: Final = 2**53 - 1
"""Largest integer that every JSON reader holds exactly; longer ids have to be text."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")


def answered_id(text: str) -> int | str:
    """A number for the decimal digits of one up to ``MAX_NUMBER``, else the text; ``"007"`` stays text."""
    if _NUMBER.fullmatch(text) and int(text) <= MAX_NUMBER:
        return int(text)
    return text
