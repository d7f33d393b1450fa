"""Up to where a topic is done with, where its records are finished in any order."""

from __future__ import annotations


class Unsettled:
    """Offsets of one partition that some channel is not done with; ``position`` is the next one to read."""

    def __init__(self, position: int) -> None:
        self.position = position
        self._open: dict[int, int] = {}

    def add(self, offset: int, channels: int) -> None:
        """So many channels are to be told of a record; offsets come in order."""
        if channels:
            self._open[offset] = channels

    def settle(self, offset: int) -> None:
        """One channel is done with a record."""
        left = self._open.get(offset, 0) - 1
        if left > 0:
            self._open[offset] = left
        else:
            self._open.pop(offset, None)

    @property
    def committable(self) -> int:
        """Everything before this offset is done."""
        return next(iter(self._open), self.position)
