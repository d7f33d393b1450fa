"""How a user's days differ: weeks, holidays, slumps, trips, and from these the chance of a visit."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from loopin_producers.simulator.dice import Chance
from loopin_producers.simulator.parameters import Parameters
from loopin_producers.simulator.places import Atlas
from loopin_producers.simulator.population import User

BLOCK_DAYS = 60
"""Plans are made for blocks of so many days and lie within them."""

KEPT_PLANS = 131_072
_PEAK_DAY_OF_YEAR = 15


@dataclass(frozen=True, slots=True)
class Slump:
    """Engagement falls to ``depth`` in the middle of the slump, and is back at its end."""

    first: float
    days: float
    depth: float

    def engagement(self, day: float) -> float:
        """Factor on a day; 1 outside the slump."""
        passed = (day - self.first) / self.days
        return 1.0 - (1.0 - self.depth) * math.sin(math.pi * passed) if 0 < passed < 1 else 1.0


@dataclass(frozen=True, slots=True)
class Trip:
    """A stay in another city, days included."""

    first: int
    last: int
    city: int


@dataclass(frozen=True, slots=True)
class Plans:
    """What a user has before them in one block: holiday as (first, last) day."""

    weeks: tuple[float, ...]
    holiday: tuple[int, int] | None
    slump: Slump | None
    trips: tuple[Trip, ...]


class Life:
    """Plans of a world's users."""

    def __init__(self, parameters: Parameters, chance: Chance, atlas: Atlas) -> None:
        self._start = parameters.start
        self._chance = chance
        self._atlas = atlas
        self._plans = lru_cache(KEPT_PLANS)(self._make)
        self._season = lru_cache(16)(self._season_of)

    def plans(self, user: User, day: int) -> Plans:
        """The plans of the block that the day lies in."""
        return self._plans(user, day // BLOCK_DAYS)

    def away(self, user: User, day: int) -> bool:
        """Whether the user is on a holiday from the platform."""
        holiday = self.plans(user, day).holiday
        return holiday is not None and holiday[0] <= day <= holiday[1]

    def city(self, user: User, day: int) -> int:
        """Where the user is."""
        for trip in self.plans(user, day).trips:
            if trip.first <= day <= trip.last:
                return trip.city
        return user.home

    def engagement(self, user: User, day: float) -> float:
        """What is left of the user's engagement: of a decline, or else of a slump."""
        declined = user.engagement(day)
        slump = self.plans(user, int(day)).slump
        return declined if declined < 1.0 or slump is None else slump.engagement(day)

    def visit_rate(self, user: User, day: int, engagement: float) -> float:
        """Expected visits on a day, but for holidays."""
        season, weekend = self._season(day)
        week = self.plans(user, day).weeks[day % BLOCK_DAYS // 7]
        return user.visits * engagement * season * week * (user.persona.weekend if weekend else 1.0)

    def _season_of(self, day: int) -> tuple[float, bool]:
        at = self._start + timedelta(days=day)
        turn = math.tau * (at.timetuple().tm_yday - _PEAK_DAY_OF_YEAR) / 365.25
        return 1.0 + 0.15 * math.cos(turn), at.weekday() >= 5

    def _make(self, user: User, block: int) -> Plans:
        dice = self._chance.dice(f"plans/{user.index}/{block}")
        first = block * BLOCK_DAYS
        weeks = tuple(dice.spread(0.3) for _ in range(9))
        holiday = slump = None
        if dice.happens(0.2):
            length = dice.whole(7, 21)
            begins = first + dice.whole(0, BLOCK_DAYS - length)
            holiday = (begins, begins + length - 1)
        if dice.happens(0.12):
            length = dice.whole(21, 42)
            slump = Slump(first + dice.whole(0, BLOCK_DAYS - length), length, dice.between(0.3, 0.6))
        trips = []
        for half in (first, first + BLOCK_DAYS // 2):
            if dice.happens(user.persona.travels):
                length = dice.whole(3, 10)
                begins = half + dice.whole(0, BLOCK_DAYS // 2 - length)
                trips.append(Trip(begins, begins + length - 1, self._atlas.elsewhere(dice, user.home)))
        return Plans(weeks, holiday, slump, tuple(trips))
