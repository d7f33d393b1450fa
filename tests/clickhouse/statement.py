"""What the text of a request asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tests.clickhouse.faults import Kind

_QUOTED = rb"`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\""
_NAME = rb"(?:\w+|" + _QUOTED + rb")"
_GAP = rb"(?:\s|--[^\n]*\n|/\*.*?\*/)"
_INSERT = re.compile(
    rb"%(gap)s*(INSERT\s+INTO\s+(?:TABLE\s+)?%(name)s(?:\.%(name)s)?(?:\s*\((?:%(quoted)s|[^)`\"])*\))?)"
    rb"\s+FORMAT\s+(\w+)[ ]*;?\r?(?:\n|$)" % {b"gap": _GAP, b"name": _NAME, b"quoted": _QUOTED},
    re.IGNORECASE | re.DOTALL,
)
_FIRST_WORD = re.compile(rb"(?:%(gap)s|\()*(\w+)" % {b"gap": _GAP}, re.DOTALL)
_READING = {b"SELECT", b"WITH", b"SHOW", b"DESCRIBE", b"DESC", b"EXPLAIN", b"EXISTS", b"CHECK"}
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)(?:\s+SETTINGS\b[^;]*)?\s*;?\s*$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Statement:
    """``data`` is what follows an insert's ``FORMAT`` (then ``format`` is that); otherwise None."""

    sql: str
    format: str
    returns_rows: bool
    data: bytes | None = None


def kind(text: bytes) -> Kind:
    """What a request is, by the beginning of its text."""
    if _INSERT.match(text):
        return "insert"
    return "read" if _reads(text) else "other"


def parse(text: bytes, default_format: str) -> Statement:
    """The statement in a request's text.

    Raises:
        UnicodeDecodeError: its SQL is not UTF-8.
    """
    if found := _INSERT.match(text):
        return Statement(found[1].decode(), found[2].decode(), False, text[found.end() :])
    sql = text.decode()
    named = _FORMAT.search(sql)
    return Statement(sql, named[1] if named else default_format, _reads(text))


def _reads(text: bytes) -> bool:
    found = _FIRST_WORD.match(text)
    return found is not None and found[1].upper() in _READING
