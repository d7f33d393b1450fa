"""Reading what the broker wrote about itself."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path


def tail(path: Path, lines: int, start: int = 0) -> list[str]:
    """The last lines of a file, oldest first; none if it is missing.

    Only what lies at or after byte ``start`` counts, and all of it in a file that is shorter than that.
    """
    try:
        with path.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            log.seek(start if start <= size else 0)
            return [line.decode("utf-8", "replace").rstrip("\r\n") for line in deque(log, lines)]
    except FileNotFoundError:
        return []


def last_error(lines: Sequence[str]) -> str:
    """What a log says last went wrong, in at most 300 characters.

    An exception's own text follows the line that reports it, and the innermost cause comes last.
    """
    reports = [at for at, line in enumerate(lines) if _reports_error(line)]
    block = lines[reports[-1] :] if reports else lines[-1:]
    causes = [line for line in block if line.startswith("Caused by: ")]
    # Lines of the log itself begin with the year; those of an exception do not.
    exception = [line for line in block[1:2] if not line[:4].isdigit()]
    return [*(block[:1] or ["it wrote no log"]), *exception, *causes][-1].strip()[:300]


def _reports_error(line: str) -> bool:
    return " ERROR " in line or " FATAL " in line or line.startswith("Error")
