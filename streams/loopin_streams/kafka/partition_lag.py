"""How far one partition's consumer is behind, by what was seen of it now and then."""

from __future__ import annotations

from time import monotonic, time
from typing import Final, NamedTuple

from loopin_streams.kafka.logs import Dated

LONGEST_GAP_S: Final = 3.0
"""Looks that lie further apart say too little of what came in between."""


class Moment(NamedTuple):
    """A point in time: ``wall`` in seconds since the epoch, and ``steady``, seconds that only grow."""

    wall: float
    steady: float


def now() -> Moment:
    """This moment."""
    return Moment(time(), monotonic())


class _Next(NamedTuple):
    """The first record that is not absorbed: when it was appended and received, epoch seconds."""

    offset: int
    appended: float
    received: float


class PartitionLag:
    """What is known of one partition.

    What the former look had not seen yet came in between, and is dated by its place between the two ends:
    that is right to a second. Anything older is read, one record, and dated exactly by its append time.
    """

    def __init__(self) -> None:
        self._position = self._end = self._nothing_before = -1
        self._looked_at = self._moved_at = 0.0
        self._next: _Next | None = None

    def look(self, position: int, end: int, at: Moment) -> bool:
        """Take a look in; whether the first record from ``position`` on must be read, for :meth:`date`."""
        moved, seen, seen_at = position != self._position, self._end, self._looked_at
        if moved or self._next is None:
            self._moved_at = at.steady
        self._position, self._end, self._looked_at = position, end, at.wall
        if position >= end or (not moved and end == self._nothing_before):
            self._next = None
        elif moved or self._next is None:
            if not 0 <= seen <= position or at.wall - seen_at > LONGEST_GAP_S:
                return True
            came = seen_at + (at.wall - seen_at) * (position - seen) / (end - seen)
            self._next = _Next(position, came, came)
        # Else it stands where it stood, before a record that is dated.
        return False

    def date(self, found: Dated | None, received_ms: int | None) -> None:
        """Take in the first record that waits, None where there are only transaction markers."""
        if found is None:
            self._next, self._nothing_before = None, self._end
        else:
            received = found.appended_ms if received_ms is None else received_ms
            self._next = _Next(found.offset, found.appended_ms / 1000, received / 1000)

    @property
    def events(self) -> int:
        """Records that wait."""
        return self._end - self._next.offset if self._next is not None else 0

    def seconds(self, at: Moment) -> float:
        """Age of the first record that waits."""
        return max(0.0, at.wall - self._next.appended) if self._next is not None else 0.0

    def received_s(self, at: Moment) -> float:
        """Age of the event in it."""
        return max(0.0, at.wall - self._next.received) if self._next is not None else 0.0

    def still_s(self, at: Moment) -> float:
        """For how long nothing has moved although records wait."""
        return at.steady - self._moved_at if self._next is not None else 0.0
