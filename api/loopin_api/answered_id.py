"""Ids as the documents show them."""

from __future__ import annotations

import re
from typing import Final

_MOST: Final = 2**53
"""From here on not every program reads a JSON number exactly."""

_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,15}")


def answered_id(text: str) -> int | str:
    """A number where the id is one in decimal digits below 2^53, without a leading 0; else the id."""
    return int(text) if _NUMBER.fullmatch(text) and int(text) < _MOST else text
