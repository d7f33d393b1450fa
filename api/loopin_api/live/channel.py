"""One project's part of the live feed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from loopin_api.live.place import Offsets, Place
from loopin_api.live.ring import Ring

COALESCE_S: Final = 1.0
"""Shortest time between two states of a window for one client."""


class Reached(NamedTuple):
    """How far the feed had come in a topic at some time."""

    seq: int
    offsets: Offsets


class Rings(NamedTuple):
    """What is kept of each topic, in the order of a :class:`Place`."""

    metrics: Ring
    alerts: Ring
    insights: Ring


class Channel:
    """The rings of a project, and the clients that listen to it.

    Windows that change are held until a second after those before them were let go, for all clients at once.

    Args:
        lost: below which offsets frames may be missing.
        clock: seconds.
    """

    def __init__(self, lost: Place, clock: Callable[[], float]) -> None:
        self.rings = _rings(lost)
        self.listeners: set[asyncio.Event] = set()
        self.held: Reached | None = None
        self.online: bytes | None = None
        self.online_version = 0
        self._clock = clock
        self._let_go_at = float("-inf")
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, lost: Place) -> None:
        """Follow other topics than before."""
        self._stop_waiting()
        self.rings = _rings(lost)

    @property
    def idle(self) -> bool:
        """Whether it may be forgotten."""
        return not (self.listeners or any(map(len, self.rings)))

    def wake(self) -> None:
        """Tell all clients to look."""
        for event in self.listeners:
            event.set()

    def hold(self, reached: Reached) -> None:
        """Let clients have windows up to here only, until the second is over."""
        if self.held is None and self.listeners:
            self.held = reached
            delay = max(0.0, self._let_go_at + COALESCE_S - self._clock())
            self._timer = asyncio.get_running_loop().call_later(delay, self._let_go)

    def _let_go(self) -> None:
        self._let_go_at = self._clock()
        self.held = self._timer = None
        self.wake()

    def leave(self, event: asyncio.Event) -> None:
        """A client goes."""
        self.listeners.discard(event)
        if not self.listeners:
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.held = self._timer = None

    def tell_online(self, data: bytes) -> None:
        """Who is online now, as JSON."""
        if data != self.online:
            self.online = data
            self.online_version += 1
            self.wake()

    def forget_online(self) -> None:
        """Nobody asks any longer: who comes next waits for the next answer."""
        self.online = None


def _rings(lost: Place) -> Rings:
    return Rings(*map(Ring, lost))
