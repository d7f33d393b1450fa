"""What every job is given: the broker, the files of messages, and the numbers of runs and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import time
from typing import Any, TypeVar

from tests.bench.broker import Broker
from tests.bench.figures import Figure, line
from tests.bench.messages import SPAN_MS, Messages, write_messages

PARTITIONS = 4
T = TypeVar("T")

BEFORE_MS = SPAN_MS + 2 * 60_000
"""How long ago the first event was: all have happened, and none is late for its windows."""

FRESH_MS = 40 * 60_000
"""Older messages would come too late for the windows of a minute, and be recomputed instead of counted."""

Report = Callable[[str], None]
"""Told each step in one line."""


@dataclass
class Bench:
    """One command's surroundings.

    Args:
        broker: runs throughout.
        systems: which to run, in order.
        runs: how often.
        scale: of every number of events; the targets are for 1.
        logs: folder for what systems print.
        tell: shows progress.
        loop_s: the machine's speed, see ``machine.loop_s``.
    """

    broker: Broker
    systems: tuple[str, ...]
    runs: int
    scale: float
    logs: Path
    tell: Report
    figures: list[Figure] = field(default_factory=list)
    loop_s: float | None = None
    _known: dict[Any, Any] = field(default_factory=dict)
    start_ms: int = 0

    def __post_init__(self) -> None:
        self.refresh()

    def refresh(self) -> None:
        """Date the messages that are made from now on anew, if they have become old."""
        now = int(time() * 1000)
        if now - self.start_ms > FRESH_MS:
            self.start_ms = _minute(now - BEFORE_MS)

    def scaled(self, events: int) -> int:
        """A job's number of events in this command."""
        return max(100, int(events * self.scale))

    def add(self, figure: Figure) -> None:
        """Keep a figure, and show it."""
        figure.loop_s = self.loop_s
        self.figures.append(figure)
        self.tell(line(figure))

    def messages(self, events: int) -> Path:
        """The file with so many messages, made once."""
        path = self.broker.folder / f"messages-{events}-{self.start_ms}.txt"
        if not path.exists():
            self.tell(f"making {events:,} messages")
            write_messages(Messages(events, self.start_ms), path)
        return path

    def once(self, work: Callable[[Path], T], path: Path) -> T:
        """What an oracle says of a file, computed once."""
        known = work.__name__, path
        if known not in self._known:
            self._known[known] = work(path)
        found: T = self._known[known]
        return found


def _minute(time_ms: int) -> int:
    return time_ms - time_ms % 60_000
