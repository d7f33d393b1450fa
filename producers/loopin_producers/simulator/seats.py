"""Seats taken of events still open: the one thing that users of a world share."""

from __future__ import annotations

from array import array
from typing import NamedTuple

from loopin_producers.simulator.organisers import PlatformEvent


class _Taken(NamedTuple):
    users: array[int]
    last_ms: list[int]
    starts_ms: int


class Seats:
    """Who has joined what. About 250 bytes an open event and 4 a seat, which is 16 bytes a user."""

    def __init__(self) -> None:
        self._taken: dict[str, _Taken] = {}

    def free(self, event: PlatformEvent, user: int) -> bool:
        """Whether there is a seat, and the user has none yet."""
        taken = self._taken.get(event.id)
        return taken is None or (len(taken.users) < event.capacity and user not in taken.users)

    def take(self, event: PlatformEvent, user: int, at_ms: int) -> int | None:
        """Take a free seat; returns when the event was sold out, if this was the last one (epoch ms)."""
        taken = self._taken.setdefault(event.id, _Taken(array("I"), [at_ms], event.starts_ms))
        taken.users.append(user)
        taken.last_ms[0] = max(taken.last_ms[0], at_ms)
        return taken.last_ms[0] + 1 if len(taken.users) == event.capacity else None

    def forget(self, before_ms: int) -> None:
        """Let go of events that have begun."""
        for name in [name for name, taken in self._taken.items() if taken.starts_ms < before_ms]:
            del self._taken[name]
