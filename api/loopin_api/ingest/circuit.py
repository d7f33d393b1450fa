"""Knowing that the broker is away, so that nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

PATIENCE_S: Final = 3.0
"""An acknowledgement that takes longer means that the broker is away, in seconds: it takes milliseconds."""

PROBE_S: Final = 2.0
"""While the broker is away, one request goes through in so many seconds, to see whether it is back."""


class Circuit:
    """Opens when a delivery fails or takes too long, closes with the first that succeeds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[int, float] = {}
        self._last = 0
        self._probed_at: float | None = None

    def admits(self) -> bool:
        """Whether to try a delivery now."""
        now = self._clock()
        if self._probed_at is None:
            oldest = next(iter(self._begun.values()), now)
            if now - oldest <= PATIENCE_S:
                return True
            self._probed_at = now
            return False
        if now - self._probed_at < PROBE_S:
            return False
        self._probed_at = now
        return True

    def begin(self) -> int:
        """A delivery begins; gives the number by which it ends."""
        self._last += 1
        self._begun[self._last] = self._clock()
        return self._last

    def end(self, number: int, *, acknowledged: bool | None) -> None:
        """It ended: with at least one acknowledgement, with none, or, where None, nobody waited for it."""
        del self._begun[number]
        if acknowledged:
            self._probed_at = None
        elif acknowledged is False and self._probed_at is None:
            self._probed_at = self._clock()
