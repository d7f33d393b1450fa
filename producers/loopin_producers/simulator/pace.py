"""How fast events leave: at most so many a second, so many times real time, or when their time has come."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from loopin_producers.simulator.errors import SimulationError


class Pace:
    """Says how long to wait before each event.

    Args:
        rate: most events a second; infinity for no limit.
        speed: times real time, from the first event on; infinity for no limit.
        live: no event before its time by the wall clock.

    Raises:
        SimulationError: ``rate_invalid`` or ``speed_invalid``.
    """

    def __init__(
        self,
        *,
        rate: float = math.inf,
        speed: float = math.inf,
        live: bool = False,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if not rate > 0:
            raise SimulationError("rate_invalid", "Give a rate above 0, in events a second.")
        if not speed > 0:
            raise SimulationError("speed_invalid", "Give a speed above 0, or max.")
        self._rate = rate
        self._speed = speed
        self._live = live
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._free_at = 0.0
        self._began: tuple[float, int] | None = None
        self._unlimited = not live and math.isinf(rate) and math.isinf(speed)

    def wait_s(self, at_ms: int) -> float:
        """Seconds until an event of this time may leave; 0 or less for now."""
        if self._unlimited:
            return 0.0
        now = self._monotonic()
        waits = self._free_at - now
        if self._live:
            waits = max(waits, (at_ms - self._now_ms()) / 1000)
        if not math.isinf(self._speed):
            began, first_ms = self._began = self._began or (now, at_ms)
            waits = max(waits, began + (at_ms - first_ms) / 1000 / self._speed - now)
        return waits

    def left(self) -> None:
        """An event has left."""
        if not math.isinf(self._rate):
            # Half a second may be caught up, no more.
            self._free_at = max(self._free_at, self._monotonic() - 0.5) + 1 / self._rate
