"""Money and numbers in an event's properties, read as the store reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final

from loopin_schemas.profile import MILLION

MAX_AMOUNT: Final = 1e12
"""Amounts from here on, of either sign, are a client's error and do not count."""

OTHER_CURRENCY: Final = "other"
"""Stands for all currencies that are not three letters."""

MAX_TOTAL: Final = 2**62
"""Sums stop here, in millionths (4.6 trillion): what they are packed into holds 64 bits."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
"""What both Python and the store read as a number; linear in the length of hostile text."""


def number(value: object) -> float | None:
    """A JSON number, or text that is one; None for anything else, booleans and non-finite ones included."""
    if isinstance(value, str):
        if not _NUMBER.fullmatch(value):
            return None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if isfinite(found) else None


def millionths(value: float) -> int:
    """The nearest whole number of millionths, ties to even."""
    return round(value * MILLION)


def amount(properties: Mapping[str, Any]) -> int | None:
    """The property ``amount`` in millionths, if it is a credible one."""
    found = number(properties.get("amount"))
    return millionths(found) if found is not None and abs(found) < MAX_AMOUNT else None


def currency(properties: Mapping[str, Any]) -> str:
    """ISO code of the property ``currency``, ``""`` where none is named, ``other`` where it is no code."""
    named = properties.get("currency")
    if named is None:
        return ""
    if not isinstance(named, str):
        return OTHER_CURRENCY
    code = named.strip(" ")
    if not code:
        return ""
    return code.upper() if len(code) == 3 and code.isascii() and code.isalpha() else OTHER_CURRENCY


def added(total: int, more: int) -> int:
    """The sum, held within ``MAX_TOTAL``."""
    return max(-MAX_TOTAL, min(MAX_TOTAL, total + more))
