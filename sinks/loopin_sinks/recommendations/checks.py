"""Whom communities let in, and whom they refused by place, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from loopin_sinks.recommendations.history import History
from loopin_sinks.recommendations.platform_events import Bools, Ints

NEVER: Final = 2**62
"""A time that does not come, epoch ms."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Outcomes of ``geo_access_checked``: of users one a row of the first four arrays, and of places.

    Attributes:
        user: position among the users of a history.
        item: number of the community.
        refused: whether it refused the user.
        at: when, epoch ms, in order.
        places: by city and number of the community, when somebody from there was first checked, and when
            first let in (``NEVER`` where nobody was), epoch ms.
    """

    user: Ints
    item: Ints
    refused: Bools
    at: Ints
    places: Mapping[tuple[str, int], tuple[int, int]]

    def table(self, history: History, communities: int, at: int) -> tuple[Bools, Bools]:
        """Whom each of so many communities refused by a time, and whose place it was known to let in.

        The last check of the user counts, without any all those from where the user mostly was;
        (users, communities) each.
        """
        shape = (len(history.users), communities)
        refused, admitted = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
        there = _positions(history, at)
        for (place, item), (checked, let_in) in self.places.items():
            if checked < at and place in there:
                (admitted if let_in < at else refused)[there[place], item] = True
        # Of several values for one place the last is kept.
        known = self.at < at
        refused[self.user[known], self.item[known]] = self.refused[known]
        return refused, admitted


def _positions(history: History, at: int) -> dict[str, Ints]:
    """Positions of users by the city where each mostly was; without those of whom nobody knows."""
    places = history.places_at(at)
    return {str(place): np.flatnonzero(places == place) for place in np.unique(places) if place}
