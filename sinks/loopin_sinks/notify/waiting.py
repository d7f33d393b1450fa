"""What waits for one channel: the records of an alert in order, and no alert behind another that fails."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple

from loopin_schemas.alert import Alert
from loopin_sinks.notify.unsettled import Unsettled


@dataclass(slots=True)
class Waiting:
    """A record to deliver. ``since`` and ``due`` are in the clock of who keeps the queue, in seconds."""

    alert: Alert
    offset: int
    unsettled: Unsettled
    since: float
    due: float
    attempts: int = 0


class Next(NamedTuple):
    """What comes next, and when."""

    waiting: Waiting
    at: float


class WaitingRoom:
    """Holds at most ``most`` records."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_alert: dict[str, deque[Waiting]] = {}
        self._rests_until = 0.0
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def full(self) -> bool:
        """Whether no more is taken."""
        return self._size >= self._most

    def add(self, waiting: Waiting) -> None:
        """Put a record behind those of the same alert."""
        self._by_alert.setdefault(waiting.alert.id, deque()).append(waiting)
        self._size += 1

    def rest(self, until: float) -> None:
        """Try nothing before that time."""
        self._rests_until = max(self._rests_until, until)

    def next(self) -> Next | None:
        """The record that is due first, of those that are first of their alert; None when nothing waits."""
        heads = (records[0] for records in self._by_alert.values())
        first = min(heads, key=lambda one: one.due, default=None)
        return None if first is None else Next(first, max(first.due, self._rests_until))

    def done(self, waiting: Waiting) -> None:
        """Take out the first record of an alert, unless all was forgotten meanwhile."""
        records = self._by_alert.get(waiting.alert.id)
        if not records or records[0] is not waiting:
            return
        records.popleft()
        self._size -= 1
        if not records:
            del self._by_alert[waiting.alert.id]

    @property
    def oldest_since(self) -> float | None:
        """Since when the oldest record waits; None when nothing does."""
        return min((records[0].since for records in self._by_alert.values()), default=None)

    def clear(self) -> None:
        """Forget all."""
        self._by_alert.clear()
        self._size = 0
