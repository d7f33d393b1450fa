"""The slots of a week that a metric's periods are compared in, and how fast they are learned."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from loopin_schemas import window
from loopin_streams.windows.grains import DAY_MS, HOUR_MS, MINUTE_MS

WEEKDAYS: Final = 7


class Pace(NamedTuple):
    """What the length of a period decides.

    The warm-up takes ``weeks`` and keeps one value an ``entry_ms``; a day has ``hours`` slots. ``level``,
    ``slot`` and ``variance`` are the shares of an error that each learns of a period; a run of ``run``
    outliers is a new level.
    """

    period_ms: int
    entry_ms: int
    hours: int
    weeks: int
    level: float
    slot: float
    variance: float
    run: int

    @property
    def slots(self) -> int:
        """Slots of a week: ``weekday * hours + hour``."""
        return WEEKDAYS * self.hours

    def slot_at(self, at: int, zone: tzinfo) -> int:
        """The slot of a moment, epoch ms."""
        there = datetime.fromtimestamp(at / 1000, zone)
        return there.weekday() * self.hours + (there.hour if self.hours > 1 else 0)


PACES: Final[dict[window.Grain, Pace]] = {
    "minute": Pace(MINUTE_MS, HOUR_MS, 24, 2, 1 / 60, 0.1 / 60, 1 / 600, 48),
    "hour": Pace(HOUR_MS, HOUR_MS, 24, 2, 1 / 24, 0.1, 1 / 30, 24),
    "day": Pace(DAY_MS, DAY_MS, 1, 4, 1 / 7, 0.1, 1 / 30, 14),
}
"""The minutes of an hour share its slot."""
