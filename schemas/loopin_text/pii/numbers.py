"""Card and phone numbers in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from loopin_text.pii.cards import LONGEST, is_card, is_grouping
from loopin_text.pii.cards import SHORTEST as SHORTEST_CARD
from loopin_text.pii.kinds import MARKS, Kind
from loopin_text.pii.phones import CONTEXT, begins_number, phone_length

_BETWEEN = r"[ .\-/()\t\r\n\xa0\u2007\u2009\u2010-\u2013\u202f]"

_RUN = re.compile(rf"[0-9]++(?:{_BETWEEN}{{1,3}}+[0-9]++)*+")
"""Groups of digits that may belong together; possessive, so that no character is looked at twice."""

_GAPS = frozenset((" ", "-", "  ", "   ", "\n", "\r\n", " \n", "\n ", " \n ", " \r\n"))
_DOT = frozenset((".",))
"""What stands between the groups of a card."""

_GROUP = re.compile("[0-9]+")
_DASH = re.compile("[\u2010-\u2013]")
_BLANK = re.compile("[\t\xa0\u2007\u2009\u202f]")

SHORTEST = 7
"""Fewer digits are neither."""

_Mark = tuple[int, int, Kind]


def scrub_numbers(text: str, kinds: frozenset[Kind]) -> str:
    """The text with ``[card]`` and ``[phone]`` in place of these numbers."""
    pieces: list[str] = []
    at = 0
    for run in _RUN.finditer(text):
        if run.end() - run.start() < SHORTEST:
            continue
        for start, end, kind in _found(text, run.start(), run.end(), kinds):
            pieces += (text[at:start], MARKS[kind])
            at = end
    return text if not pieces else "".join((*pieces, text[at:]))


def _found(text: str, start: int, end: int, kinds: frozenset[Kind]) -> Iterator[_Mark]:
    """Numbers in one run, from left to right."""
    groups = [found.span() for found in _GROUP.finditer(text, start, end)]
    digits = [text[begin:stop] for begin, stop in groups]
    between = [_plain(text[groups[n][1] : groups[n + 1][0]]) for n in range(len(groups) - 1)]
    # A letter beside a group makes it part of a word, a hash or another id.
    last = len(groups) - 1 if _joined(text[end : end + 1]) else len(groups)
    at = 1 if _joined(text[start - 1 : start] if start else "") else 0
    while at < last:
        if not begins_number(digits[at], digits[at + 1] if at + 1 < last else "") and (
            text[groups[at][0] - 1 : groups[at][0]] not in ("+", "(")
        ):
            at += 1
            continue
        # No number has more groups than digits, so that a long run takes time in proportion to its length.
        until = min(last, at + LONGEST)
        before = text[max(0, groups[at][0] - CONTEXT) : groups[at][0]]
        length, kind = _number(digits[at:until], between[at : until - 1], before, kinds)
        if length:
            yield _begin(text, groups[at][0], kind), groups[at + length - 1][1], kind
        at += length or 1


def _number(digits: list[str], between: list[str], before: str, kinds: frozenset[Kind]) -> tuple[int, Kind]:
    """How many groups, from the first on, are a number, and which kind; ``before`` precedes them."""
    precedes = before[-1:]
    first = len(digits[0])
    if "card" in kinds and (first in (4, 6) or first >= SHORTEST_CARD) and precedes not in ("-", "."):
        length = _card_length(digits, between)
        if length:
            return length, "card"
    if "phone" in kinds and precedes not in ("-", ".", "/"):
        line = next((n for n, gap in enumerate(between) if "\n" in gap or "\r" in gap), len(between))
        return phone_length(digits[: line + 1], between[:line], before), "phone"
    return 0, "phone"


def _card_length(digits: list[str], between: list[str]) -> int:
    whole = ""
    lengths: list[int] = []
    dotted = len(between) > 1 and between[0] == "."
    for taken, group in enumerate(digits, 1):
        # Dots are those of a card only where all are, and there are two: other numbers have one.
        if taken > 1 and between[taken - 2] not in (_DOT if dotted else _GAPS):
            return 0
        whole += group
        if len(whole) > LONGEST:
            return 0
        lengths.append(len(group))
        follows = between[taken - 1] if taken <= len(between) else ""
        if dotted and taken < 3:
            continue
        if follows not in ("-", ".") and is_grouping(lengths) and is_card(whole):
            return taken
    return 0


def _begin(text: str, at: int, kind: Kind) -> int:
    """Where the number begins, with its plus and bracket."""
    if kind == "phone":
        if at and text[at - 1] == "(":
            at -= 1
        if at and text[at - 1] == "+":
            at -= 1
    return at


def _joined(beside: str) -> bool:
    return beside.isalnum() or beside == "_"


def _plain(gap: str) -> str:
    return gap if gap.isascii() and "\t" not in gap else _BLANK.sub(" ", _DASH.sub("-", gap))
