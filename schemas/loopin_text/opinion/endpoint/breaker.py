"""Leaving alone what does not work."""

from __future__ import annotations

from typing import Final

FAILURES: Final = 3
"""So many calls in a row that fail open the circuit."""

FIRST_PAUSE_S: Final = 30.0
"""Then nobody calls for so long, and after it one call tries."""

LONGEST_PAUSE_S: Final = 600.0
"""Each try that fails doubles the pause, up to this."""


class Breaker:
    """A circuit breaker (Nygard, Release It!, 2007): closed, open, or half open with one call that tries.

    Not safe to share between threads. Times are seconds from any beginning.
    """

    def __init__(self) -> None:
        self._failures = 0
        self._pause_s = FIRST_PAUSE_S
        self._open_until: float | None = None
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether calls are kept back, but for one that tries when the pause is over."""
        return self._open_until is not None

    def admits(self, now: float) -> bool:
        """Whether a call may be made; where it is the one that tries, no other may until that has ended."""
        if self._open_until is None:
            return True
        if self._trying or now < self._open_until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """A call was answered: all may call."""
        self._failures, self._pause_s = 0, FIRST_PAUSE_S
        self._open_until, self._trying = None, False

    def not_tried(self) -> None:
        """A call that was admitted was not made after all."""
        self._trying = False

    def failed(self, now: float) -> None:
        """A call was not answered, or with what is none."""
        self._failures += 1
        if self._trying:
            self._trying = False
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
            self._open_until = now + self._pause_s
        elif self._failures >= FAILURES and self._open_until is None:
            self._open_until = now + self._pause_s
