"""What organisers put before users: platform events and posts, a week at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

from loopin_producers.simulator.dice import Chance, Dice, cumulated
from loopin_producers.simulator.parameters import DAY_MS, HOUR_MS, Parameters
from loopin_producers.simulator.places import RATES, Atlas, City
from loopin_producers.simulator.population import CATEGORIES, ORGANISER_EVERY, Population, User

WEEKS_BACK = 4
"""Events are held three weeks after they were announced at the latest, and posts are read for two weeks."""

KEPT_WEEKS = 16_384
_PRICES = (150, 250, 400, 600, 900, 1500)
_CAPACITIES = (6, 10, 15, 25, 40, 80)
_NUMBERS = cumulated((0.35, 0.45, 0.20))


@dataclass(frozen=True, slots=True)
class PlatformEvent:
    """An event that users may attend; ``appeal`` is 0 to 1, ``quality`` a standard normal number.

    ``cancelled_by`` is "host" or "platform" where ``cancelled_ms`` is a time.
    """

    id: str
    organiser: User
    category: int
    city: City
    price: float
    capacity: int
    appeal: float
    quality: float
    created_ms: int
    starts_ms: int
    cancelled_ms: int | None
    cancelled_by: str | None

    def open_at(self, at_ms: int) -> bool:
        """Whether people can join."""
        ends_ms = self.starts_ms - HOUR_MS if self.cancelled_ms is None else self.cancelled_ms - 1000
        return self.created_ms + HOUR_MS < at_ms < ends_ms


@dataclass(frozen=True, slots=True)
class Post:
    """A piece of content of an organiser."""

    id: str
    author: User
    category: int
    content_type: str
    created_ms: int


@dataclass(frozen=True, slots=True)
class Week:
    """What one organiser brings out in one week."""

    events: tuple[PlatformEvent, ...]
    posts: tuple[Post, ...]


T = TypeVar("T", PlatformEvent, Post)


class Organisers:
    """All organisers of a world."""

    def __init__(self, parameters: Parameters, chance: Chance, population: Population, atlas: Atlas) -> None:
        self._start_ms = parameters.start_ms
        self._chance = chance
        self._population = population
        self._atlas = atlas
        self.week = lru_cache(KEPT_WEEKS)(self._make)

    def number(self, day: int) -> int:
        """How many organisers have signed up by the end of a day."""
        return math.ceil(self._population.signed_up(day) / ORGANISER_EVERY)

    def brought_out(self, organiser: int, day: int) -> Iterator[PlatformEvent | Post]:
        """What an organiser brings out on a day (UTC)."""
        first_ms = self._start_ms + day * DAY_MS
        week = self.week(organiser, day // 7)
        items: tuple[PlatformEvent | Post, ...] = (*week.events, *week.posts)
        for item in items:
            if first_ms <= item.created_ms < first_ms + DAY_MS:
                yield item

    def event_for(
        self, dice: Dice, day: int, at_ms: int, city: City, interests: Sequence[int]
    ) -> PlatformEvent | None:
        """An event that somebody comes upon: of some that are open, the one that suits best."""

        def suits(event: PlatformEvent) -> float:
            return event.appeal + 0.4 * (event.category in interests) + 0.8 * (event.city is city)

        found = self._some(dice, day, lambda week: week.events, lambda event: event.open_at(at_ms))
        return max(found, key=suits, default=None)

    def posts_for(self, dice: Dice, day: int, at_ms: int) -> list[Post]:
        """Up to a handful of posts of the last two weeks."""
        return self._some(
            dice, day, lambda week: week.posts, lambda post: 0 < at_ms - post.created_ms < 14 * DAY_MS
        )

    def _some(
        self, dice: Dice, day: int, of: Callable[[Week], tuple[T, ...]], wanted: Callable[[T], bool]
    ) -> list[T]:
        number, found = self.number(day), []
        for _ in range(5):
            organiser = int(dice.random() * number)
            week = day // 7 - int(dice.random() * (WEEKS_BACK - 1))
            found += [item for item in of(self.week(organiser, week)) if wanted(item)]
        return found

    def _make(self, organiser: int, week: int) -> Week:
        host = self._population.user(organiser * ORGANISER_EVERY)
        dice = self._chance.dice(f"organiser/{organiser}/{week}")
        name = f"{organiser:05d}-{week + WEEKS_BACK:03d}"
        events = [
            self._event(dice, host, f"event-{name}{n}", week)
            for n in range(dice.weighted((0, 1, 2), _NUMBERS))
        ]
        posts = [self._post(dice, host, f"post-{name}{n}", week) for n in range(dice.whole(0, 3))]
        return Week(
            tuple(event for event in events if self._there(host, event)),
            tuple(post for post in posts if self._there(host, post)),
        )

    def _there(self, host: User, item: PlatformEvent | Post) -> bool:
        """Whether the organiser had signed up the day before, and does not leave within a day."""
        signed_up_ms = self._start_ms + (host.signup_day + 2) * DAY_MS
        return signed_up_ms <= item.created_ms < host.churn_ms - DAY_MS

    def _event(self, dice: Dice, host: User, name: str, week: int) -> PlatformEvent:
        city = self._atlas.cities[host.home]
        created_ms = self._moment(dice, week)
        starts_ms = created_ms + int(dice.between(3, 21) * DAY_MS) // HOUR_MS * HOUR_MS
        cancelled_ms = by = None
        if dice.happens(0.03):
            cancelled_ms, by = int(dice.between(created_ms + DAY_MS, starts_ms - 6 * HOUR_MS)), "host"
        if host.churn_ms < min(starts_ms, cancelled_ms or starts_ms):
            # The platform calls off what an organiser leaves behind, and does it in the organiser's name.
            cancelled_ms, by = host.churn_ms - 1, "platform"
        price = 0.0 if dice.happens(0.35) else round(dice.pick(_PRICES) * RATES[city.currency], 2)
        return PlatformEvent(
            id=name,
            organiser=host,
            category=dice.pick(host.interests) if dice.happens(0.8) else dice.whole(0, len(CATEGORIES) - 1),
            city=city,
            price=price,
            capacity=dice.pick(_CAPACITIES),
            appeal=dice.random(),
            quality=0.5 * host.satisfaction + 0.85 * dice.normal(),
            created_ms=created_ms,
            starts_ms=starts_ms,
            cancelled_ms=cancelled_ms,
            cancelled_by=by,
        )

    def _post(self, dice: Dice, host: User, name: str, week: int) -> Post:
        kind = "article" if dice.happens(0.3) else "post"
        return Post(name, host, dice.pick(host.interests), kind, self._moment(dice, week))

    def _moment(self, dice: Dice, week: int) -> int:
        return self._start_ms + week * 7 * DAY_MS + int(dice.random() * 7 * DAY_MS)
