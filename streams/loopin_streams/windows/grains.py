"""The lengths of windows, and how long each stays in memory."""

from __future__ import annotations

from typing import Final, NamedTuple

from loopin_schemas import window

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS

LATENESS_MS: Final = 60_000
"""How far the watermark stays behind: events that come this much out of order are in time everywhere."""


class Grain(NamedTuple):
    """A length of windows.

    A window stays in memory until the watermark has passed its end by ``keep_ms``; until then late events
    correct it in place, afterwards the repair task does. ``number`` is part of window codes.
    """

    name: window.Grain
    size_ms: int
    keep_ms: int
    number: int

    def start(self, at: int) -> int:
        """Start of the window that holds the moment, epoch ms."""
        return at - at % self.size_ms

    def code(self, start: int) -> int:
        """One number for grain and start."""
        return start // MINUTE_MS * 4 + self.number

    def gone(self, start: int, watermark: int) -> bool:
        """Whether the window that begins at ``start`` has left memory."""
        return start + self.size_ms + self.keep_ms <= watermark


MINUTE: Final = Grain("minute", MINUTE_MS, HOUR_MS, 0)
HOUR: Final = Grain("hour", HOUR_MS, 6 * HOUR_MS, 1)
DAY: Final = Grain("day", DAY_MS, 2 * DAY_MS, 2)

GRAINS: Final[tuple[Grain, ...]] = (MINUTE, HOUR, DAY)
"""From short to long; whoever is in time for one is in time for those after it."""

BY_NAME: Final[dict[window.Grain, Grain]] = {grain.name: grain for grain in GRAINS}


def code_gone(code: int, watermark: int) -> bool:
    """Whether the window with this code has left memory."""
    return GRAINS[code % 4].gone(code // 4 * MINUTE_MS, watermark)
