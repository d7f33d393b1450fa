"""Version 7 UUIDs (RFC 9562), which sort by the time they were made.

Layout, most significant bit first: 48 bits of Unix time in ms, 4 bits of version (7), 12 bits of counter,
2 bits of variant (10), 30 bits of counter, 32 random bits. The 42-bit counter is section 6.2's method 1
(a fixed-length dedicated counter), seeded at random with its top bit clear in each new millisecond.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from struct import Struct
from typing import Final
from uuid import UUID

COUNTER_BITS = 42
_COUNTER_LIMIT = 1 << COUNTER_BITS
_NOISE: Final = Struct(">QI")
_NOISE_AHEAD: Final = 256
"""UUIDs whose random bits are fetched at once: asking the system for each costs as much as all the rest."""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Uuid7Generator:
    """Makes UUIDs, each greater than the one before, whatever the clock does. Safe to share by threads."""

    def __init__(self, clock_ms: Callable[[], int] = _now_ms) -> None:
        self._clock_ms = clock_ms
        self.reset()

    def reset(self) -> None:
        """Forget what was made before; a forked child calls this so as not to continue its parent's run."""
        self._lock = threading.RLock()  # a signal handler may ask in the middle of this
        self._last_ms = -1
        self._counter = 0
        self._noise: Iterator[tuple[int, ...]] = iter(())

    def __call__(self) -> UUID:
        """The next UUID."""
        with self._lock:
            ms, counter, tail = self._next()
        high, low = counter >> 30, counter & 0x3FFFFFFF
        return UUID(int=ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 32 | tail)

    def text(self) -> str:
        """The next UUID in its text form, several times as fast as by way of a ``UUID``."""
        with self._lock:
            ms, counter, tail = self._next()
        return (
            f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-{0x7000 | counter >> 30:04x}"
            f"-{0x8000 | counter >> 16 & 0x3FFF:04x}-{counter & 0xFFFF:04x}{tail:08x}"
        )

    def _next(self) -> tuple[int, int, int]:
        """Milliseconds, counter and random bits of the next UUID; the caller holds the lock."""
        noise = next(self._noise, None)
        if noise is None:
            self._noise = _NOISE.iter_unpack(os.urandom(_NOISE_AHEAD * _NOISE.size))
            noise = next(self._noise)
        seed, tail = noise
        now = self._clock_ms()
        if now > self._last_ms:
            self._last_ms = now
            self._counter = seed % (_COUNTER_LIMIT >> 1)
        else:
            # The clock stands still or went back: the counter carries the order, and time is borrowed
            # from the next millisecond once the counter is spent.
            self._counter += 1
            if self._counter == _COUNTER_LIMIT:
                self._last_ms += 1
                self._counter = seed % (_COUNTER_LIMIT >> 1)
        return self._last_ms, self._counter, tail


uuid7 = Uuid7Generator()
"""The process's generator."""

os.register_at_fork(after_in_child=uuid7.reset)
