"""What waits for one channel: the records of an alert in order, and no project behind another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
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


_Order = Callable[[Waiting], tuple[float, int, float, int]]


class WaitingRoom:
    """Holds at most ``most`` records; the projects that have some take turns."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_alert: dict[str, deque[Waiting]] = {}
        self._by_project: dict[str, dict[int, Waiting]] = {}
        self._turns: dict[str, int] = {}
        self._turn = 0
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
        self._by_project.setdefault(waiting.alert.project, {})[waiting.offset] = waiting
        self._size += 1

    def give_way(self, project: str) -> Waiting | None:
        """Take out the newest record of the project with the most, for one of a project with fewer.

        None where nobody has more, or nothing of theirs that was not tried yet.
        """
        richest = max(self._by_project, key=lambda each: len(self._by_project[each]), default=project)
        if len(self._by_project.get(richest, ())) <= len(self._by_project.get(project, ())) + 1:
            return None
        newest = reversed(self._by_project[richest].values())
        found = next((each for each in newest if each.attempts == 0), None)
        if found is not None:
            self._by_alert[found.alert.id].remove(found)
            self._left(found)
        return found

    def rest(self, until: float) -> None:
        """Try nothing before that time."""
        self._rests_until = max(self._rests_until, until)

    def next(self, now: float) -> Next | None:
        """What is due, of the project whose turn was longest ago; else what is due first; None for nothing.

        Only what is first of its alert comes next.
        """
        first = min((records[0] for records in self._by_alert.values()), key=self._order(now), default=None)
        return None if first is None else Next(first, max(first.due, self._rests_until))

    def tried(self, waiting: Waiting) -> None:
        """Its project has had its turn."""
        self._turn += 1
        self._turns[waiting.alert.project] = self._turn

    def done(self, waiting: Waiting) -> None:
        """Take out the first record of an alert, unless all was forgotten meanwhile."""
        records = self._by_alert.get(waiting.alert.id)
        if records and records[0] is waiting:
            records.popleft()
            self._left(waiting)

    @property
    def oldest_since(self) -> float | None:
        """Since when the oldest record waits; None when nothing does."""
        return min((records[0].since for records in self._by_alert.values()), default=None)

    def clear(self) -> None:
        """Forget all."""
        self._by_alert.clear()
        self._by_project.clear()
        self._turns.clear()
        self._size = 0

    def _order(self, now: float) -> _Order:
        def order(waiting: Waiting) -> tuple[float, int, float, int]:
            turn = self._turns.get(waiting.alert.project, 0)
            return max(waiting.due, now), turn, waiting.due, waiting.offset

        return order

    def _left(self, waiting: Waiting) -> None:
        self._size -= 1
        if not self._by_alert[waiting.alert.id]:
            del self._by_alert[waiting.alert.id]
        project = waiting.alert.project
        del self._by_project[project][waiting.offset]
        if not self._by_project[project]:
            del self._by_project[project]
            self._turns.pop(project, None)
