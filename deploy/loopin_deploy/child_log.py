"""The output of one child process: kept in a file of bounded size, with its last lines in memory."""

from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path

MAX_FILE_BYTES = 10 * 1024 * 1024
MAX_LINE_BYTES = 64 * 1024
_LAST_LINES = 20


class ChildLog:
    """Cuts bytes into lines and appends them to ``path``; a full file moves to ``path`` + ``.1``.

    A disk that cannot be written loses lines of the file and nothing else.
    """

    def __init__(self, path: Path, max_file_bytes: int = MAX_FILE_BYTES) -> None:
        self._path = path
        self._max_file_bytes = max_file_bytes
        self._rest = b""
        self._last: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The last 20 lines, oldest first."""
        return tuple(self._last)

    def feed(self, chunk: bytes) -> list[str]:
        """Take some output; the lines that are complete with it. A line beyond 64 KB is cut into several."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        return self._keep(lines)

    def end(self) -> list[str]:
        """The process has ended: what it wrote after its last line break, if anything."""
        lines, self._rest = ([self._rest] if self._rest else []), b""
        return self._keep(lines)

    def _keep(self, lines: list[bytes]) -> list[str]:
        if not lines:
            return []
        with contextlib.suppress(OSError):
            with self._path.open("ab") as file:
                file.write(b"".join(line + b"\n" for line in lines))
                size = file.tell()
            if size > self._max_file_bytes:
                self._path.replace(self._path.with_name(self._path.name + ".1"))
        texts = [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
        self._last.extend(texts)
        return texts
