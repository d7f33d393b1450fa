"""What the pipeline's steps cost, by the processor time of the threads that ran them."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock

Cost = tuple[str, float, int]
"""A step's name, its seconds of processor time, and the events it was given."""


class StepCosts:
    """Sums by step, over all partitions of a job; thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._sums: dict[str, tuple[float, int]] = {}

    def add(self, costs: Iterable[Cost]) -> None:
        """Add one batch's."""
        with self._lock:
            for step, seconds, events in costs:
                before = self._sums.get(step, (0.0, 0))
                self._sums[step] = before[0] + seconds, before[1] + events

    def sums(self) -> dict[str, tuple[float, int]]:
        """Seconds and events by step, in the pipeline's order."""
        with self._lock:
            return dict(self._sums)
