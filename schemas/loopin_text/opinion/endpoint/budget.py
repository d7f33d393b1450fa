"""How much a day may cost."""

from __future__ import annotations

from typing import Final

DAY_S: Final = 86_400


class Budget:
    """Counts the calls and tokens of a UTC day, in this process. Not safe to share between threads.

    Args:
        calls: most calls of a day.
        tokens: most tokens of a day.
    """

    def __init__(self, calls: int, tokens: int) -> None:
        self._most = calls, tokens
        self._day = -1
        self.calls = 0
        """Of the day of the last ``take``."""
        self.tokens = 0

    def take(self, now: float, tokens: int) -> bool:
        """Take so many tokens for a call at this time (epoch s); False, and none, if too few are there."""
        day = int(now // DAY_S)
        if day != self._day:
            self._day, self.calls, self.tokens = day, 0, 0
        if self.calls + 1 > self._most[0] or self.tokens + tokens > self._most[1]:
            return False
        self.calls += 1
        self.tokens += tokens
        return True

    def correct(self, now: float, estimated: int, used: int) -> None:
        """A call took so many tokens instead of those that were taken for it."""
        if int(now // DAY_S) == self._day:
            self.tokens += max(used, 0) - estimated
