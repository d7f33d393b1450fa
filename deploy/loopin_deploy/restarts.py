"""When a dead child is started again, and when it is given up."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """A child is given up at death number ``deaths`` within ``window_s`` seconds; until then each start waits
    twice as long as the one before, from ``first_delay_s`` up to ``max_delay_s`` seconds.
    """

    deaths: int = 5
    window_s: float = 60.0
    first_delay_s: float = 0.5
    max_delay_s: float = 10.0


class Deaths:
    """The recent deaths of one child."""

    def __init__(self, policy: RestartPolicy) -> None:
        self._policy = policy
        self._times: deque[float] = deque()

    def add(self, now: float) -> float | None:
        """Count a death at ``now`` (s); the delay before the next start (s), or None to give the child up."""
        while self._times and now - self._times[0] >= self._policy.window_s:
            self._times.popleft()
        self._times.append(now)
        if len(self._times) >= self._policy.deaths:
            return None
        delay = self._policy.first_delay_s * 2.0 ** (len(self._times) - 1)
        return min(delay, self._policy.max_delay_s)
