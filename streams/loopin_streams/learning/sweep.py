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
"""So long after the last old events an import is over: what comes of its users is known then."""

LATEST: Final = 200
"""Events that tell whether most are old: what came before them fades. One belated event is no import, though
it may be all that a moment brings."""

LEAST_OLD: Final = 50
"""Fewer old events are no import."""


class Sweep:
    """Users by their minute of the day, and the minute (since 1970) up to which all have had their turn.

    ``imported`` is the minute of the newest old events of an import, None once its users have had their turn.
    While old events come in, users are not gone whose later events have yet to come: nobody has a turn then,
    and all have one at once when no more have come for ``QUIET_MINUTES``.
    """

    def __init__(self) -> None:
        self._keys: list[list[bytes]] = [[] for _ in range(MINUTES)]
        self.swept: int | None = None
        self.imported: int | None = None
        self._latest = self._old = 0

    def read(self, kept: bytes | None) -> None:
        """Go on from what another one kept; None for nothing."""
        if kept is not None:
            swept, _, imported = kept.decode().partition(" ")
            self.swept, self.imported = int(swept), int(imported) if imported else None

    def kept(self) -> bytes:
        """What a successor needs; only once there was a minute."""
        return str(self.swept).encode() + (b"" if self.imported is None else f" {self.imported}".encode())

    def came(self, events: int, old: int, minute: int) -> None:
        """Some more events came, the last at a minute since 1970; so many of them were old by then."""
        self._latest, self._old = self._latest + events, self._old + old
        if old and self._old >= LEAST_OLD and 2 * self._old > self._latest:
            self.imported = minute
        if self._latest > LATEST:
            self._old, self._latest = self._old * LATEST // self._latest, LATEST

    def add(self, keys: Iterable[bytes]) -> None:
        """Take in users who are not known yet."""
        for key in keys:
            self._keys[crc32(key) % MINUTES].append(key)

    def due(self, minute: int) -> list[bytes]:
        """Whose turn has come by a minute since 1970, and is taken; call again while it gives some.

        Of days that passed at once each user has one turn.
        """
        if self.swept is None:
            self.swept = minute
        if self.imported is not None:
            if minute < self.imported + QUIET_MINUTES:
                return []
            self.imported, self.swept = None, minute - MINUTES
        self.swept = max(self.swept, minute - MINUTES)
        found: list[bytes] = []
        while self.swept < minute and len(found) < MOST:
            self.swept += 1
            found += self._keys[self.swept % MINUTES]
        return found
