"""Users by number: all that is settled about one before the first event, recomputed from the seed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from loopin_producers.simulator.devices import DEVICES, Device
from loopin_producers.simulator.dice import Chance, Dice
from loopin_producers.simulator.parameters import DAY_MS, Parameters
from loopin_producers.simulator.personas import ORGANISER, PERSONAS, SHARES, Persona
from loopin_producers.simulator.places import Atlas

ORGANISER_EVERY = 40
CATEGORIES = ("music", "sport", "food", "technology", "art", "outdoors", "books", "games")

KEPT_USERS = 65_536
"""Users whose traits are kept in memory (1 KB each); a greater world's are computed again each day."""

LOOKS_AROUND_DAYS = 3
"""For how long users look at pages before they sign up."""

_THERE_FROM_THE_START = 0.7
_MEAN_TENURE_DAYS = 120
_LEAST_STAY_DAYS = 10


@dataclass(frozen=True, slots=True)
class User:
    """One user.

    Days are the world's, numbered from its start; ``visits`` is a daily rate. ``decline_days`` is 0 for those
    who leave without a sign. ``home`` is a city's number.
    """

    index: int
    id: str
    persona: Persona
    visits: float
    satisfaction: float
    home: int
    signup_day: int
    churn_ms: int
    churn_day: float
    decline_days: float
    deletes: bool
    interests: tuple[int, int]
    devices: tuple[Device, ...]
    anonymous_ids: tuple[str, ...]
    communities: tuple[int, ...]
    treated: bool
    verified_day: int | None

    def engagement(self, day: float) -> float:
        """What is left of the user's engagement, 0.2 to 1, but for slumps."""
        left = self.churn_day - day
        if left >= self.decline_days or self.decline_days == 0:
            return 1.0
        return 0.2 + 0.8 * math.pow(max(left, 0.0) / self.decline_days, 1.4)


def user_id(index: int) -> str:
    """The distinct_id of a user."""
    return f"user-{index:06d}"


class Population:
    """All users of a world."""

    def __init__(self, parameters: Parameters, chance: Chance, atlas: Atlas, communities: int) -> None:
        self._start_ms = parameters.start_ms
        self._chance = chance
        self._atlas = atlas
        self._communities = communities
        self._first = math.ceil(_THERE_FROM_THE_START * parameters.users)
        self._a_day = (parameters.users - self._first) / parameters.days
        self.user = lru_cache(KEPT_USERS)(self._make)
        self.friends = lru_cache(KEPT_USERS)(self._friends)

    def signed_up(self, day: int) -> int:
        """How many have signed up by the end of a day."""
        return self._first + max(0, math.floor((day + 1) * self._a_day))

    def seen(self, day: int) -> int:
        """How many may be met on a day: those who look around before they sign up among them."""
        return self.signed_up(day + LOOKS_AROUND_DAYS)

    def _make(self, index: int) -> User:
        dice = self._chance.dice(f"user/{index}")
        persona = dice.weighted(PERSONAS, SHARES)
        if index % ORGANISER_EVERY == 0:
            persona = ORGANISER
        satisfaction = dice.normal()
        signup_day = self._signup_day(index, dice)
        risk = persona.leaving * math.exp(-0.5 * satisfaction) / 30
        churn_day = max(signup_day, 0) + _LEAST_STAY_DAYS + dice.wait(1 / risk)
        declines = dice.happens(0.82)
        decline_days = dice.between(45, 80)
        devices = tuple(dice.pick(DEVICES) for _ in range(dice.whole(1, 2)))
        first = dice.whole(0, len(CATEGORIES) - 1)
        return User(
            index=index,
            id=user_id(index),
            persona=persona,
            visits=persona.visits / 7 * dice.spread(0.45),
            satisfaction=satisfaction,
            home=self._atlas.home(dice),
            signup_day=signup_day,
            churn_ms=self._start_ms + int(churn_day * DAY_MS),
            churn_day=churn_day,
            decline_days=decline_days if declines else 0.0,
            deletes=dice.happens(0.15),
            interests=(first, (first + dice.whole(1, len(CATEGORIES) - 1)) % len(CATEGORIES)),
            devices=devices,
            anonymous_ids=tuple(f"anon-{dice.getrandbits(64):016x}" for _ in devices),
            communities=tuple(dice.whole(0, self._communities - 1) for _ in range(3)),
            treated=dice.happens(0.5),
            verified_day=signup_day + dice.whole(2, 40) if dice.happens(0.6) else None,
        )

    def _signup_day(self, index: int, dice: Dice) -> int:
        if index < self._first:
            return -1 - int(dice.wait(_MEAN_TENURE_DAYS))
        day = math.floor((index - self._first) / self._a_day)
        while self.signed_up(day) <= index:  # rounding may be off by one
            day += 1
        return day

    def _friends(self, index: int) -> tuple[tuple[int, float], ...]:
        """Friends by number, each with a number of 0 to 1 that says how soon the two found each other."""
        return tuple(self._pairs(index))

    def _pairs(self, index: int) -> Iterator[tuple[int, float]]:
        block = index // 10 * 10
        for other, share in [*((near, 0.35) for near in range(block, block + 10)), (index ^ 64, 0.5)]:
            if other != index:
                drawn = self._chance.unit(f"friends/{min(index, other)}/{max(index, other)}")
                if drawn < share:
                    yield other, drawn / share
