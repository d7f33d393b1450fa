"""Each user's turn once a day: what the time that passes makes known, without any event."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zlib import crc32

MINUTES: Final = 1_440
"""In a day; each user has one of them."""

MOST: Final = 2_000
"""Users whose turn comes in one transaction, but for those of one minute, who are never parted."""


class Sweep:
    """Users by their minute of the day, and the minute (since 1970) up to which all have had their turn."""

    def __init__(self) -> None:
        self._keys: list[list[bytes]] = [[] for _ in range(MINUTES)]
        self.swept: int | None = None

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
        self.swept = max(self.swept, minute - MINUTES)
        found: list[bytes] = []
        while self.swept < minute and len(found) < MOST:
            self.swept += 1
            found += self._keys[self.swept % MINUTES]
        return found
