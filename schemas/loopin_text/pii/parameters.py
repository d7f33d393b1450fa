"""``name=value`` in addresses, cookies and log lines, and ``"name": "value"`` in JSON within a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from loopin_text.pii.tokens import looks_secret

Judge = Callable[[str, str], str]
"""Given a name and its decoded value, the value as it may stay."""

JudgePlaced = Callable[[str, str, str, int], str]
"""Given also the text, and where in it the name begins."""

_PAIR = re.compile(r"(?<![\w.\-\[\]$])([\w.\-\[\]$]++)=([^&#\s\"'<>]++)", re.ASCII)
_QUOTED = re.compile(
    r"""(?<=["'])([\w.\-$]++)\\{0,3}["'][ \t]{0,4}+[:=][ \t]{0,4}+\\{0,3}["']([^"'\\\n]++)""", re.ASCII
)
_HEADER = re.compile(
    r"(?<![\w.\-\"'])([\w\-]*(?:password|passwd|secret|api[_\-]?key|token))"
    r"[ \t]{0,2}:[ \t]{1,2}([^\s,;\"']{6,}+)",
    re.IGNORECASE | re.ASCII,
)


def split_pairs(text: str, judge: JudgePlaced, other: Callable[[str], str]) -> str:
    """The text with every pair's value judged, and ``other`` applied to what lies between the pairs."""
    pieces: list[str] = []
    at = 0
    # No name holds a slash or a question mark: of an address only the query is searched.
    first = text.find("=")
    begin = max(text.rfind("/", 0, first), text.rfind("?", 0, first), 0)
    for found in _PAIR.finditer(text, begin):
        start, end = found.span(2)
        pieces += (other(text[at:start]), _judged(found, judge))
        at = end
    return "".join((*pieces, other(text[at:])))


def quoted_pairs(text: str, judge: Judge) -> str:
    """The text with the values of ``"name": "value"`` judged."""

    def replaced(found: re.Match[str]) -> str:
        start = found.start(2) - found.start()
        return found[0][:start] + judge(found[1], found[2])

    return _QUOTED.sub(replaced, text)


def headers(text: str, judge: Judge) -> str:
    """The text with the values of ``X-Api-Key: value`` and the like judged, if they look like secrets."""

    def replaced(found: re.Match[str]) -> str:
        if not looks_secret(found[2]):
            return found[0]
        return found[0][: found.start(2) - found.start()] + judge(found[1], found[2])

    return _HEADER.sub(replaced, text)


def _judged(found: re.Match[str], judge: JudgePlaced) -> str:
    """The value, byte for byte where the judge leaves it, else encoded as it was."""
    name, value = found.groups()
    text, at = found.string, found.start()
    if "%" not in value and "+" not in value:
        return judge(name, value, text, at)
    decoded = (unquote_plus if "+" in value else unquote)(value)
    kept = judge(name, decoded, text, at)
    if kept != decoded:
        return (quote_plus if "+" in value else quote)(kept, safe="[]")
    # An unencoded plus is a phone's own.
    return judge(name, value, text, at) if "+" in value else value
