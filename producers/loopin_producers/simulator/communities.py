"""Communities, a third of which are open to one place only."""

from __future__ import annotations

from typing import Literal, NamedTuple

from loopin_producers.simulator.dice import Chance
from loopin_producers.simulator.places import Atlas, City
from loopin_producers.simulator.population import CATEGORIES

Restriction = Literal["country", "region", "city"]
RESTRICTIONS: tuple[Restriction, ...] = ("country", "region", "city")


class Community(NamedTuple):
    """A community; open everywhere, or in the country, region or city of ``place`` only."""

    id: str
    category: str
    restriction: Restriction | None
    place: City

    def admits(self, city: City) -> bool:
        """Whether somebody in that city may enter."""
        if self.restriction is None:
            return True
        return bool(getattr(self.place, _FIELD[self.restriction]) == getattr(city, _FIELD[self.restriction]))


_FIELD: dict[Restriction, str] = {"country": "country", "region": "region", "city": "name"}


def number_of_communities(users: int) -> int:
    """One for each 50 users, but 8 to 200."""
    return max(8, min(200, users // 50))


def make_communities(users: int, chance: Chance, atlas: Atlas) -> tuple[Community, ...]:
    """All communities of a world."""
    made = []
    for number in range(number_of_communities(users)):
        place = atlas.cities[atlas.home(chance.dice(f"community/{number}"))]
        restriction = RESTRICTIONS[number // 3 % 3] if number % 3 == 1 else None
        made.append(
            Community(f"community-{number:03d}", CATEGORIES[number % len(CATEGORIES)], restriction, place)
        )
    return tuple(made)
