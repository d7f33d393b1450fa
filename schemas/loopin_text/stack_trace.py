"""Stack traces as usual languages print them: the exception's type, and the frames' files and functions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_LINES: Final = 2_000
"""Lines of a trace that are looked at; one of 16 KB has fewer."""

MAX_LINE: Final = 500
"""Characters of a line that are looked at."""

PYTHON: Final = "Traceback (most recent call last):"

_FRAMES: Final = tuple(
    re.compile(form)
    for form in (
        r'[\s|]+File "(?P<file>[^"]+)", line \d+, in (?P<function>.+)',  # Python
        r"\s*at (?P<function>[^()]+?) ?\((?P<file>[^()]*?)(?::\d+){0,2}\)",  # JavaScript of V8, Java
        r"\s*at (?P<function>\S+?\(.*\)) in (?P<file>.+):line \d+",  # .NET
        r"\s*at (?:async )?(?P<file>\S+?):\d+:\d+",  # V8, without a function
        r"(?P<function>[^\s@]*)@(?P<file>\S+?):\d+(?::\d+)?",  # Firefox, Safari
        r"#\d+ (?P<file>\S+)\(\d+\): (?P<function>[^()]+)\(.*",  # PHP
        r"\s*(?:from )?(?P<file>\S+):\d+:in [`'](?P<function>[^`']+)'.*",  # Ruby
    )
)
_NAME: Final = r"[A-Za-z_$][\w$]*(?:(?:\.|::|\\)[A-Za-z_$][\w$]*)*"
_TYPE: Final = re.compile(
    rf'(?:Uncaught |Unhandled |PHP |Caused by: |Exception in thread "[^"]*" )*(?P<type>{_NAME})(?::.*)?'
)
_SAYS_SO: Final = re.compile(r"(?:Error|Exception|Warning|Interrupt|Exit|Fault|Failure|Timeout)\Z")


class Frame(NamedTuple):
    """Where a call was; ``""`` for what the trace does not say."""

    file: str
    function: str


class StackTrace(NamedTuple):
    """What a trace says; the type is ``""`` where it names none, frames are in the trace's own order."""

    type: str
    frames: tuple[Frame, ...]


def parsed(trace: str) -> StackTrace:
    """Read a trace; of a text that is none there are no frames."""
    lines = [line[:MAX_LINE].rstrip() for line in trace.split("\n", MAX_LINES)[:MAX_LINES]]
    return StackTrace(_type(lines), tuple(_frames(lines)))


def type_of(line: str) -> str:
    """The exception's type that a line begins with, known by its end; ``""`` for none."""
    found = _TYPE.fullmatch(line[:MAX_LINE].split("\n", 1)[0].strip())
    return found["type"] if found is not None and _SAYS_SO.search(found["type"]) else ""


def _frames(lines: list[str]) -> Iterator[Frame]:
    for line in lines:
        found = next(filter(None, (form.fullmatch(line) for form in _FRAMES)), None)
        if found is not None:
            named = found.groupdict()
            yield Frame(named["file"].strip(), (named.get("function") or "").strip())


def _type(lines: list[str]) -> str:
    """Python names it last, the others first."""
    if PYTHON not in lines:
        return next(filter(None, map(type_of, lines[:1])), "")
    last = len(lines) - 1 - lines[::-1].index(PYTHON)
    unindented = (line for line in lines[last + 1 :] if line and not line[0].isspace())
    return next(unindented, "").partition(":")[0].strip()
