"""How far a long run is: noted once a second, told five times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

CHECKPOINT_S: Final = 1.0
REPORT_S: Final = 0.2


class Ticker:
    """Calls ``checkpoint`` and ``report`` when they are due, as often as :meth:`tick` is called."""

    def __init__(self, checkpoint: Callable[[], object], report: Callable[[], object]) -> None:
        self._checkpoint = checkpoint
        self._report = report
        self._checkpointed = self._reported = 0.0

    def tick(self) -> None:
        """Note and tell how far the run is, when it is time to."""
        now = time.monotonic()
        if now - self._checkpointed > CHECKPOINT_S:
            self._checkpointed = now
            self._checkpoint()
        if now - self._reported > REPORT_S:
            self._reported = now
            self._report()
