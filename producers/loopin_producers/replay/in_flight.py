"""Which rows the broker has acknowledged, while others are still on their way."""

from __future__ import annotations

import threading
from collections import deque

from loopin_producers.errors import DeliveryFailed


class InFlight:
    """Rows between reading and acknowledgement, in the order of the file.

    ``acknowledged`` is the longest run of rows from the start of the file that are all dealt with: each one
    delivered, or bad. A failed row holds it back for good. Settling may happen in another thread.
    """

    def __init__(self, acknowledged: int = 0, bad: int = 0) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, None] = {}
        self._bad_ahead: deque[int] = deque()
        self._bad_behind = bad
        self._last = acknowledged
        self._failed = 0
        self.delivered = 0
        self.failure: DeliveryFailed | None = None

    def add(self, number: int) -> None:
        """A row is about to be handed to the client."""
        with self._lock:
            self._open[number] = None
            self._last = number

    def withdraw(self, number: int) -> None:
        """The row could not be handed over; it counts as unacknowledged."""
        with self._lock:
            self._failed += number in self._open

    def add_bad(self, number: int) -> None:
        """A row that is reported and passed over."""
        with self._lock:
            self._bad_ahead.append(number)
            self._last = number

    def settle(self, number: int, failure: DeliveryFailed | None, partition: int, offset: int) -> None:
        """The client's word on a row."""
        with self._lock:
            if failure is not None:
                self._failed += 1
                self.failure = self.failure or failure
                return
            del self._open[number]
            self.delivered += 1

    @property
    def waiting(self) -> int:
        """Rows whose outcome is still open."""
        with self._lock:
            return len(self._open) - self._failed

    @property
    def unacknowledged(self) -> int:
        """Rows that were read and neither delivered nor bad."""
        with self._lock:
            return len(self._open)

    def position(self) -> tuple[int, int]:
        """Rows acknowledged from the start of the file, and how many of these were bad."""
        with self._lock:
            acknowledged = next(iter(self._open), self._last + 1) - 1
            while self._bad_ahead and self._bad_ahead[0] <= acknowledged:
                self._bad_ahead.popleft()
                self._bad_behind += 1
            return acknowledged, self._bad_behind
