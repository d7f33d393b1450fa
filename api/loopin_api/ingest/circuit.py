"""Knowing that the broker is away, so that nobody waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

PROBE_S: Final = 2.0
"""While the broker is away, one request goes through in so many seconds, to see whether it is back."""


class Circuit:
    """Opens when a delivery fails or takes too long, closes with the first that succeeds whole.

    Args:
        patience_s: an acknowledgement that takes longer means that the broker is away, in seconds.
        down: whether the producer knows that no broker can be reached.
        clock: seconds, from any beginning.
    """

    def __init__(
        self,
        patience_s: Callable[[], float],
        down: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._patience_s = patience_s
        self._down = down
        self._clock = clock
        self._begun: dict[int, float] = {}
        self._probes: set[int] = set()
        self._last = 0
        self._probed_at: float | None = None

    def admits(self) -> bool:
        """Whether a delivery would be tried now; asking uses up no probe."""
        now = self._clock()
        if self._probed_at is not None:
            return now - self._probed_at >= PROBE_S
        if self._down():
            return True  # It may be back since: the next delivery finds out.
        oldest = next(iter(self._begun.values()), now)
        if now - oldest <= self._patience_s():
            return True
        self._probed_at = now
        return False

    def begin(self) -> int | None:
        """A delivery begins, as the probe where one is due; gives the number by which it ends.

        None where it is not to be tried: the circuit is open, perhaps since the request was admitted.
        """
        if not self.admits():
            return None
        now = self._clock()
        self._last += 1
        self._begun[self._last] = now
        if self._is_open:
            self._probed_at = now
            self._probes.add(self._last)
        return self._last

    def hopeless(self, number: int) -> bool:
        """Whether to wait no longer for a delivery: the broker has gone since it began."""
        return number not in self._probes and self._is_open

    @property
    def _is_open(self) -> bool:
        return self._probed_at is not None or self._down()

    def end(self, number: int, acknowledged: Sequence[bool]) -> None:
        """It ended, with or without an acknowledgement of each record; of none where nobody waited for it.

        Where some have one and others not, the broker may have come or gone meanwhile: that says nothing.
        """
        del self._begun[number]
        self._probes.discard(number)
        if not acknowledged:
            return
        if all(acknowledged):
            self._probed_at = None
        elif not any(acknowledged) and self._probed_at is None:
            self._probed_at = self._clock()
