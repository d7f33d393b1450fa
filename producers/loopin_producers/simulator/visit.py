"""A user's visit: a session whose clock moves on with each event."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from loopin_producers.simulator.devices import Device
from loopin_producers.simulator.dice import Dice
from loopin_producers.simulator.moods import Text
from loopin_producers.simulator.parameters import DAY_MS
from loopin_producers.simulator.places import City
from loopin_producers.simulator.population import User
from loopin_producers.simulator.world import World

SITE = "https://loopin.example"


class Visit:
    """One visit; ``at_ms`` is where its clock stands.

    Args:
        day: of the world, by the user's own clock.
        engagement: the user's on that day, 0 to 1.
        city: where the user is.
    """

    def __init__(
        self, world: World, user: User, dice: Dice, day: int, at_ms: int, engagement: float, city: City
    ) -> None:
        self.world = world
        self.user = user
        self.dice = dice
        self.day = day
        self.at_ms = at_ms
        self.engagement = engagement
        self.city = city
        self.device_number = dice.whole(0, len(user.devices) - 1)
        self.device = user.devices[self.device_number]
        self.session_id = f"s-{dice.getrandbits(64):016x}"
        # An address that a user keeps in a city.
        self._ip = f"{city.network}{user.index * 7 % 254 + 1}"

    @property
    def anonymous_id(self) -> str:
        """The device's own id."""
        return self.user.anonymous_ids[self.device_number]

    def event(self, name: str, properties: Mapping[str, Any], text: Text | None = None) -> None:
        """What the user does next, some seconds after the last."""
        self.as_(self.user.id, name, properties, text)

    def as_(
        self, distinct_id: str, name: str, properties: Mapping[str, Any], text: Text | None = None
    ) -> None:
        """The same under another id, e.g. the device's before signing in."""
        if self.at_ms < self.user.churn_ms:
            self.world.scribe.write(
                self.at_ms, name, distinct_id, properties, self.dice, self.session_id, text
            )
        self.at_ms += 1000 + int(self.dice.wait(22_000))

    def later(self, at_ms: int, name: str, properties: Mapping[str, Any], text: Text | None = None) -> None:
        """What comes of it outside the visit; nothing, if the user has left by then."""
        if at_ms < self.user.churn_ms:
            self.world.scribe.write(at_ms, name, self.user.id, properties, self.dice, None, text)

    def page(self, path: str, distinct_id: str | None = None) -> None:
        """A page view, at times with how it performed."""
        who, dice = distinct_id or self.user.id, self.dice
        self.as_(who, "$pageview", page_properties(path, self.device, self.city, self._ip))
        if dice.happens(0.12):
            load_ms = round(900 * dice.spread(0.5))
            self.as_(who, "page_loaded", {"load_ms": load_ms, "$pathname": path})
            if dice.happens(0.5):
                self.as_(who, "$web_vitals", web_vitals(load_ms, dice))
        if dice.happens(0.08):
            self.as_(who, "$pageleave", {"duration_s": round(dice.wait(40), 1), "$pathname": path})

    def tone(self, quality: float = 0.0) -> float:
        """How the user feels now, about standard normal: by nature, by what was met, and by chance."""
        waning = 0.9 * (1.0 - self.engagement)
        return 0.45 * self.user.satisfaction + 0.5 * quality - waning + 0.6 * self.dice.normal()

    def engaged_at(self, at_ms: int) -> float:
        """The user's engagement at a later time."""
        day = (at_ms - self.world.parameters.start_ms) / DAY_MS
        return self.world.life.engagement(self.user, day)

    def away_at(self, at_ms: int) -> bool:
        """Whether the user is on holiday at a later time, or about to be."""
        day = (at_ms - self.world.parameters.start_ms) / DAY_MS
        life = self.world.life
        return life.away(self.user, math.floor(day)) or life.away(self.user, math.floor(day + 0.6))


def page_properties(path: str, device: Device, city: City, ip: str) -> dict[str, Any]:
    """What a browser says with a page view."""
    return {
        "$current_url": SITE + path,
        "$pathname": path,
        "$raw_user_agent": device.user_agent,
        "$ip": ip,
        "device_type": device.device_type,
        "os": device.os,
        "browser": device.browser,
        "country": city.country,
        "city": city.name,
    }


def web_vitals(load_ms: int, dice: Dice) -> dict[str, Any]:
    """Web vitals of a page that loaded in so many ms."""
    return {
        "$web_vitals_LCP_value": round(load_ms * dice.between(0.7, 1.1)),
        "$web_vitals_FCP_value": round(load_ms * dice.between(0.3, 0.6)),
        "$web_vitals_INP_value": round(90 * dice.spread(0.6)),
        "$web_vitals_CLS_value": round(0.04 * dice.spread(0.8), 4),
    }
