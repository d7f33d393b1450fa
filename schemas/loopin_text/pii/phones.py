"""Phone numbers: which groups of digits are one.

Digits alone could be anything, so a number is taken for a phone by its form (a plus, a bracket, the groups of
a country's custom) or by a word before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

SHORTEST: Final = 7
LONGEST: Final = 15
"""Digits of an international number (ITU-T E.164)."""
_FIXED: Final = 11
"""Digits of every number with the country codes 1 (North America) and 7 (Russia, Kazakhstan): ``+12345678``
is how much a score has changed."""

_CONTACT = re.compile(
    r"\b(?:phone|mobile|mob|cell|call|whats ?app|tel|telephone|sms|contact|ph|dial|landline"
    r"|text me|reach me)\b",
    re.IGNORECASE,
)
CONTEXT: Final = 40
"""Characters before a number in which such a word counts."""


def begins_number(first: str, second: str) -> bool:
    """Whether a phone or card without a plus can begin with these groups: a quick no for most."""
    if len(first) >= 3:
        return True
    if first == "1":
        return len(second) == 3
    if first in ("91", "0"):
        return len(second) in (5, 10)
    return first[0] == "0"


def phone_length(groups: Sequence[str], between: Sequence[str], before: str) -> int:
    """How many of the groups, from the first on, are a phone number; 0 for none.

    ``between[i]`` stands between the groups ``i`` and ``i + 1``; ``before`` is what precedes the first, at
    least ``CONTEXT`` characters of it where there are as many.
    """
    if before.endswith(("+", "+(")):
        return _international(groups, between)
    first = groups[0]
    if len(first) == 3 or first == "1":
        length = _american(groups, between)
    elif len(first) == 5 or first in ("91", "0"):
        length = _indian(groups, between)
    else:
        length = 0
    if not length and first[0] == "0":
        length = _with_trunk_prefix(groups, between)
    if length:
        return length
    # Seconds and milliseconds since 1970 begin with 1, as no such number does.
    if 10 <= len(first) <= 12 and first[0] > "1" and _CONTACT.search(before):
        return 1
    return 0


def _international(groups: Sequence[str], between: Sequence[str]) -> int:
    digits = taken = 0
    for group in groups:
        if digits + len(group) > LONGEST:
            break
        digits += len(group)
        taken += 1
        if digits == _FIXED and groups[0][0] in "17":
            break
    if groups[0][0] in "17" and digits != _FIXED:
        return 0
    decimal = taken == 2 and between[0] == "."
    return taken if digits >= 8 and groups[0][0] != "0" and not decimal else 0


def _american(groups: Sequence[str], between: Sequence[str]) -> int:
    """(202) 555-0143, 1-202-555-0143, 202.555.0143 (North American Numbering Plan)."""
    start = 1 if groups[0] == "1" and between and between[0] in ("-", " ", ".", " (", "-(") else 0
    parts = groups[start : start + 3]
    if [len(part) for part in parts] != [3, 3, 4] or parts[0][0] < "2":
        return 0
    first, second = between[start : start + 2]
    usual = first in ("-", ".", " ", ") ", ")", ")-") and second in ("-", ".", " ")
    return start + 3 if usual and _ends(groups, between, start + 3) else 0


def _indian(groups: Sequence[str], between: Sequence[str]) -> int:
    """98765 43210, 91 98765 43210, 91-9876543210: mobile numbers, which begin with 6 to 9."""
    start = 1 if groups[0] in ("91", "0") else 0
    if not all(gap in (" ", "-") for gap in between[: start + 1]):
        return 0
    lengths = [len(group) for group in groups[start : start + 2]]
    if not lengths or groups[start][0] < "6":
        return 0
    if lengths == [5, 5]:
        return start + 2 if _ends(groups, between, start + 2) else 0
    return 2 if start and lengths[0] == 10 and _ends(groups, between, 2) else 0


def _with_trunk_prefix(groups: Sequence[str], between: Sequence[str]) -> int:
    """020 7946 0958, 030/12345678, 01 23 45 67 89: a national number, which most countries begin with 0."""
    first = groups[0]
    if len(first) < 2 or first[0] != "0" or len(groups) < 2 or _is_date(groups, between):
        return 0
    pairs = [len(group) for group in groups[:5]] == [2] * 5
    gaps = (" ", "-", ") ", ")", ")-", "/", " / ", ".") if pairs else (" ", "-", ") ", ")", ")-", "/", " / ")
    abroad = first.startswith("00")
    enough, most = (LONGEST + 2, LONGEST + 2) if abroad else (11, 12)
    digits, taken = len(first), 1
    for group, gap in zip(groups[1:], between, strict=False):
        if gap not in gaps or digits + len(group) > most or digits >= enough:
            break
        digits += len(group)
        taken += 1
    if digits < 9 or taken == 1 or (abroad and first[2:3] in ("", "0")):
        return 0
    return taken if _ends(groups, between, taken) else 0


def _is_date(groups: Sequence[str], between: Sequence[str]) -> bool:
    lengths = [len(group) for group in groups[:3]]
    return lengths == [2, 2, 4] and between[0] == between[1] and between[0] in ("-", "/", ".")


def _ends(groups: Sequence[str], between: Sequence[str], at: int) -> bool:
    """Whether a number may end before the group ``at``."""
    return len(groups) == at or between[at - 1] not in ("-", ".")
