"""Resident memory of a process while something is wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

EVERY_S = 0.2
MB = 1 << 20


@dataclass
class Memory:
    """Bytes before the damage, and the most seen since."""

    before: int
    most: int

    @property
    def grown_mb(self) -> float:
        """By how much it has grown at most."""
        return (self.most - self.before) / MB


@contextmanager
def watched_memory(pid: int) -> Iterator[Memory]:
    """Look at a process's resident memory again and again within the block; it must live meanwhile."""
    process = psutil.Process(pid)
    begun = int(process.memory_info().rss)
    memory = Memory(begun, begun)
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(EVERY_S):
            memory.most = max(memory.most, int(process.memory_info().rss))

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        ended.set()
        thread.join()
        memory.most = max(memory.most, int(process.memory_info().rss))
