"""Cities: where users live, travel to, and hold their events."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from loopin_producers.simulator.dice import Dice, cumulated


class City(NamedTuple):
    """A city; ``network`` begins the addresses of its clients (blocks reserved for documentation)."""

    name: str
    region: str
    country: str
    zone: str
    currency: str
    network: str
    weight: float


CITIES = (
    City("Mumbai", "Maharashtra", "IN", "Asia/Kolkata", "INR", "192.0.2.", 5),
    City("Bengaluru", "Karnataka", "IN", "Asia/Kolkata", "INR", "192.0.2.", 5),
    City("London", "England", "GB", "Europe/London", "GBP", "198.51.100.", 2),
    City("Delhi", "Delhi", "IN", "Asia/Kolkata", "INR", "192.0.2.", 4),
    City("Pune", "Maharashtra", "IN", "Asia/Kolkata", "INR", "192.0.2.", 3),
    City("Dubai", "Dubai", "AE", "Asia/Dubai", "AED", "203.0.113.", 2),
    City("Hyderabad", "Telangana", "IN", "Asia/Kolkata", "INR", "192.0.2.", 3),
    City("Berlin", "Berlin", "DE", "Europe/Berlin", "EUR", "198.51.100.", 1.5),
    City("New York", "New York", "US", "America/New_York", "USD", "203.0.113.", 2),
    City("Chennai", "Tamil Nadu", "IN", "Asia/Kolkata", "INR", "192.0.2.", 3),
    City("Singapore", "Singapore", "SG", "Asia/Singapore", "SGD", "203.0.113.", 1.5),
    City("Kolkata", "West Bengal", "IN", "Asia/Kolkata", "INR", "192.0.2.", 2),
)

RATES = {"INR": 1.0, "GBP": 0.0093, "AED": 0.043, "EUR": 0.011, "USD": 0.0118, "SGD": 0.0157}
"""What a rupee is worth, for prices that feel alike everywhere."""


class Atlas:
    """The cities of a world of so many users."""

    def __init__(self, users: int) -> None:
        self.cities = CITIES[: 2 + min(10, users // 100)]
        self._cumulative = cumulated([city.weight for city in self.cities])

    def home(self, dice: Dice) -> int:
        """A city to live in, as its number."""
        return dice.weighted(range(len(self.cities)), self._cumulative)

    def elsewhere(self, dice: Dice, home: int) -> int:
        """Another city to travel to."""
        return (home + dice.whole(1, len(self.cities) - 1)) % len(self.cities)


@lru_cache(4096)
def local_midnight_ms(zone: str, start: date, day: int) -> int:
    """When the world's day ``day`` begins in a time zone, epoch ms."""
    there = start + timedelta(days=day)
    return int(datetime(there.year, there.month, there.day, tzinfo=ZoneInfo(zone)).timestamp()) * 1000
