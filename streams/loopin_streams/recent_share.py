"""A share over the last minute, from totals that only grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

SPAN_S: Final = 60.0

Totals = Mapping[int, tuple[int, int]]
"""By partition: how many were of the kind, and how many there were at all."""


class RecentShare:
    """Share of a kind among what came within the last minute or, if nobody asked for longer, since then."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._asked: deque[tuple[float, Totals]] = deque()

    def add(self, totals: Totals) -> float | None:
        """Take the totals of now in; the share (0-1), None where nothing came.

        A partition that was not there before counts from when it was first seen.
        """
        at = self._clock()
        self._asked.append((at, totals))
        while len(self._asked) > 2 and self._asked[1][0] <= at - SPAN_S:
            self._asked.popleft()
        before: dict[int, tuple[int, int]] = {}
        for _, known in self._asked:
            before = {**known, **before}
        of_kind = sum(now[0] - before[number][0] for number, now in totals.items() if number in before)
        of_all = sum(now[1] - before[number][1] for number, now in totals.items() if number in before)
        return of_kind / of_all if of_all > 0 else None
