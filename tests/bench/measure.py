"""CPU time and memory of whole process trees, as the kernel accounts for them."""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import psutil

SAMPLE_S = 0.1
FAMILY_S = 1.0
"""How often new children are looked for; that reads the whole process table."""


class ProcessTree:
    """A process with all its descendants.

    While it is entered, a thread keeps ``peak_rss_mb``: the greatest sum of resident memory, sampled every
    0.1 s. Memory that processes share counts once for each.
    """

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._family = [self._root]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="memory", daemon=True)
        self.peak_rss_mb = 0.0

    def cpu_s(self) -> float:
        """User and system seconds so far, with those of descendants that have ended (10 ms steps)."""
        total = 0.0
        for process in self._grown():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def rss_mb(self) -> float:
        """Resident memory now, in MB of 10^6 bytes."""
        total = 0
        for process in self._family:
            with suppress(psutil.Error):
                total += process.memory_info().rss
        return total / 1e6

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _grown(self) -> list[psutil.Process]:
        with suppress(psutil.Error):
            self._family = [self._root, *self._root.children(recursive=True)]
        return self._family

    def _sample(self) -> None:
        since_grown = FAMILY_S
        while not self._ended.wait(SAMPLE_S):
            since_grown += SAMPLE_S
            if since_grown >= FAMILY_S:
                self._grown()
                since_grown = 0.0
            self.peak_rss_mb = max(self.peak_rss_mb, self.rss_mb())
