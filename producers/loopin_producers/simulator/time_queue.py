"""Sorts lines by time in bounded memory: what lies ahead waits by day, on disk where it is much."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from tempfile import TemporaryFile
from typing import IO

from loopin_producers.simulator.parameters import DAY_MS

KEPT_LINES = 50_000
"""Lines in memory; about 25 MB."""

_READ_BYTES = 1 << 14


class TimeQueue:
    """Takes lines of any time, gives them back by day, sorted.

    Lines beyond ``kept_lines`` go to temporary files in sorted runs, one file a day; a day's runs are merged
    when it is asked for.
    """

    def __init__(self, kept_lines: int = KEPT_LINES) -> None:
        self._limit = kept_lines
        self._kept = 0
        self._days: dict[int, _Day] = {}

    def push(self, at_ms: int, line: bytes) -> None:
        """Put a line in; ``at_ms`` is the time that the line begins with."""
        day = at_ms // DAY_MS
        waiting = self._days.get(day)
        if waiting is None:
            waiting = self._days[day] = _Day()
        waiting.lines.append(line)
        self._kept += 1
        if self._kept >= self._limit:
            self._spill()

    def drain(self, before_ms: int) -> Iterator[bytes]:
        """Take out all lines of the days that end by ``before_ms``, in order."""
        for day in sorted(day for day in self._days if (day + 1) * DAY_MS <= before_ms):
            waiting = self._days.pop(day)
            self._kept -= len(waiting.lines)
            yield from waiting.sorted()

    def close(self) -> None:
        """Let go of what is left."""
        for waiting in self._days.values():
            waiting.close()
        self._days.clear()

    def _spill(self) -> None:
        # The fullest days alone, so that far ones do not end in many short runs.
        for waiting in sorted(self._days.values(), key=lambda day: -len(day.lines)):
            if self._kept <= self._limit // 2:
                break
            self._kept -= len(waiting.lines)
            waiting.spill()


class _Day:
    """Lines of one day: some in memory, some in sorted runs of a file."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._file: IO[bytes] | None = None
        self._runs: list[tuple[int, int]] = []

    def spill(self) -> None:
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115 (it is closed with the day)
        begin = self._file.seek(0, 2)
        self._file.writelines(sorted(self.lines))
        self._runs.append((begin, self._file.tell()))
        self.lines = []

    def sorted(self) -> Iterator[bytes]:
        self.lines.sort()
        if self._file is None:
            yield from self.lines
            return
        try:
            yield from heapq.merge(self.lines, *(self._run(*run) for run in self._runs))
        finally:
            self.close()

    def _run(self, begin: int, end: int) -> Iterator[bytes]:
        assert self._file is not None
        while begin < end:
            self._file.seek(begin)
            for line in self._file.readlines(_READ_BYTES):
                if begin >= end:
                    return
                begin += len(line)
                yield line

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
