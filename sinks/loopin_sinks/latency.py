"""How long events take from being sent to being queryable."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np


class Latency:
    """The latest events' milliseconds from ``sent_at`` (client's clock) to the end of their insert.

    Holds at most ``limit`` of them, oldest out first.
    """

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._blocks: deque[np.ndarray[tuple[int], np.dtype[np.int64]]] = deque()
        self._held = 0

    def add(self, milliseconds: Iterable[int]) -> None:
        """Record one batch."""
        block = np.fromiter(milliseconds, dtype=np.int64)
        self._blocks.append(block)
        self._held += len(block)
        while len(self._blocks) > 1 and self._held - len(self._blocks[0]) >= self._limit:
            self._held -= len(self._blocks.popleft())

    def percentile(self, q: float) -> float | None:
        """The ``q``-th percentile (0-100) in ms, or None before the first event."""
        found = self.percentiles((q,))
        return found[0] if found else None

    def percentiles(self, wanted: Sequence[float]) -> list[float]:
        """Several of them for the price of one; none before the first event."""
        if not self._held:
            return []
        return [float(found) for found in np.percentile(np.concatenate(self._blocks), wanted)]
