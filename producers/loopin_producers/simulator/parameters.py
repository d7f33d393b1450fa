"""What a world is made from; the same parameters give the same bytes."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec

from loopin_producers.simulator.errors import SimulationError

VERSION = 1
"""Of the world's definition (docs/simulator.md): raised by whatever changes what a seed gives."""

MAX_USERS = 10_000_000
MAX_DAYS = 1800
"""A little less than the five years after which events are refused."""

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


class Parameters(msgspec.Struct, frozen=True, kw_only=True):
    """One world.

    Attributes:
        project: the project that its events belong to.
        users: people who have signed up after ``days`` days.
        days: over which those that are not there from the start sign up.
        seed: of everything that is left to chance.
        start: first day, UTC.
        version: of the definition.
    """

    project: str
    users: int
    days: int
    seed: int
    start: date
    version: int = VERSION

    @property
    def start_ms(self) -> int:
        """Midnight UTC of the first day, epoch ms."""
        return midnight_ms(self.start)

    def check(self) -> None:
        """Refuse what cannot be simulated.

        Raises:
            SimulationError: ``users_invalid``, ``days_invalid``, ``seed_invalid`` or ``version_unknown``.
        """
        if not 1 <= self.users <= MAX_USERS:
            raise SimulationError("users_invalid", f"Give 1 to {MAX_USERS:,} users.")
        if not 1 <= self.days <= MAX_DAYS:
            raise SimulationError("days_invalid", f"Give 1 to {MAX_DAYS:,} days.")
        if not 0 <= self.seed < 2**63:
            raise SimulationError("seed_invalid", "Give a seed of 0 or more, below 2**63.")
        if self.version != VERSION:
            reason = f"Start the world anew: it is of version {self.version}, this program knows {VERSION}."
            raise SimulationError("version_unknown", reason)


def midnight_ms(day: date) -> int:
    """Epoch ms of a UTC day's beginning."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
