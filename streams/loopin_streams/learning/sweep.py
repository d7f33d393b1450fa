"""Each user's turn once a day: what the time that passes makes known, without any event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zlib import crc32

MINUTES: Final = 1_440
"""In a day; each user has one of them."""

MOST: Final = 2_000
"""Users whose turn comes in one transaction, but for those of one minute, who are never parted."""

QUIET_MINUTES: Final = 30
"""So long after the last old event no more are expected: what comes of users who had some is known then."""

LONGEST_MINUTES: Final = 7 * MINUTES
"""So long after a user's own newest event it is known in any case: old events of others may never end."""


class Sweep:
    """Users by their minute of the day, and the minute (since 1970) up to which all have had their turn.

    ``old`` is the minute in which the last old event came: one of another day, as imports bring them, or a
    device that was off. A user whose newest event was old when it came is not gone because the later ones
    have yet to come: such a user has no turn before no more have come for ``QUIET_MINUTES``. From ``missed``
    on turns were missed so, which come once more then.
    """

    def __init__(self) -> None:
        self._keys: list[list[bytes]] = [[] for _ in range(MINUTES)]
        self.swept: int | None = None
        self.old: int | None = None
        self.missed: int | None = None
        self._first = 0

    def read(self, kept: bytes | None) -> None:
        """Go on from what another one kept; None for nothing."""
        if kept is not None:
            numbers = [int(number) if number.isdigit() else None for number in kept.decode().split(" ")]
            self.swept, self.old, self.missed = (*numbers, None, None)[:3]

    def kept(self) -> bytes:
        """What a successor needs; only once there was a minute."""
        numbers = (self.swept, self.old, self.missed)
        return " ".join("-" if number is None else str(number) for number in numbers).encode()

    def came_old(self, minute: int) -> None:
        """An old event came at a minute since 1970."""
        self.old = minute

    def waits(self, came_old: int, minute: int) -> bool:
        """Whether more is expected of a user whose newest event was old when it came at minute ``came_old``.

        Then the user misses the turn that :meth:`due` has just given.
        """
        if self.old is None or not minute < min(self.old + QUIET_MINUTES, came_old + LONGEST_MINUTES):
            return False
        if self.missed is None:
            self.missed = self._first
        return True

    def add(self, keys: Iterable[bytes]) -> None:
        """Take in users who are not known yet."""
        for key in keys:
            self._keys[crc32(key) % MINUTES].append(key)

    def due(self, minute: int) -> list[bytes]:
        """Whose turn has come by a minute since 1970, and is taken; call again while it gives some.

        Of days that passed at once each user has one turn. Those of a minute have it in the order of their
        keys: a successor knows no other.
        """
        if self.swept is None:
            self.swept = minute
        if self.missed is not None and self.old is not None and minute >= self.old + QUIET_MINUTES:
            self.swept, self.missed = min(self.swept, self.missed - 1), None
        self.swept = max(self.swept, minute - MINUTES)
        if self.swept < minute:
            self._first = self.swept + 1
        found: list[bytes] = []
        while self.swept < minute and len(found) < MOST:
            self.swept += 1
            found += sorted(self._keys[self.swept % MINUTES])
        return found
