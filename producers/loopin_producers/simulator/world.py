"""A world: all that its users, organisers, visitors and machines share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loopin_producers.simulator.anomalies import Anomalies
from loopin_producers.simulator.communities import Community, make_communities, number_of_communities
from loopin_producers.simulator.dice import Chance
from loopin_producers.simulator.life import Life
from loopin_producers.simulator.organisers import Organisers
from loopin_producers.simulator.parameters import Parameters
from loopin_producers.simulator.places import Atlas, City, local_midnight_ms
from loopin_producers.simulator.population import Population
from loopin_producers.simulator.scribe import Scribe
from loopin_producers.simulator.seats import Seats


@dataclass(frozen=True, slots=True)
class World:
    """One world; only ``seats`` changes as its days go by."""

    parameters: Parameters
    chance: Chance
    atlas: Atlas
    population: Population
    life: Life
    organisers: Organisers
    communities: tuple[Community, ...]
    anomalies: Anomalies
    seats: Seats
    scribe: Scribe

    def midnight_ms(self, city: City, day: int) -> int:
        """When a day begins in a city, epoch ms."""
        return local_midnight_ms(city.zone, self.parameters.start, day)


def make_world(parameters: Parameters, push: Callable[[int, bytes], object]) -> World:
    """The world of these parameters, whose lines go to ``push``.

    Raises:
        SimulationError: there can be no such world.
    """
    parameters.check()
    chance = Chance(parameters.version, parameters.seed, parameters.users, parameters.days)
    atlas = Atlas(parameters.users)
    communities = number_of_communities(parameters.users)
    population = Population(parameters, chance, atlas, communities)
    return World(
        parameters=parameters,
        chance=chance,
        atlas=atlas,
        population=population,
        life=Life(parameters, chance, atlas),
        organisers=Organisers(parameters, chance, population, atlas),
        communities=make_communities(parameters.users, chance, atlas),
        anomalies=Anomalies(chance, parameters.start_ms),
        seats=Seats(),
        scribe=Scribe(parameters.project, parameters.start_ms, push),
    )
