"""How many alerts are watched at once, so that no project takes the room of the others."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Final


@dataclass(frozen=True, slots=True)
class Room:
    """At most ``most_of_project`` of one project and ``most`` of all, but ``certain`` of each in any case."""

    most: float
    most_of_project: float
    certain: int = 0

    def admits(self, of_project: int, of_all: int) -> bool:
        """Whether there is room for another one of a project that has so many."""
        if of_project >= self.most_of_project:
            return False
        return of_all < self.most or of_project < self.certain


UNBOUNDED: Final = Room(inf, inf)
"""For whoever's alerts are as few as the series that they are about."""
