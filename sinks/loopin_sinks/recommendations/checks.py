"""Whom communities let in, and whom they refused by place, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from loopin_sinks.recommendations.history import History
from loopin_sinks.recommendations.platform_events import Bools, Ints

NEVER: Final = 2**62
"""A time that does not come, epoch ms."""


Places = Mapping[str, Ints]


@dataclass(frozen=True, slots=True)
class Checks:
    """Outcomes of ``geo_access_checked``: of users one a row of the first four arrays, and of places.

    Attributes:
        user: position among the users of a history.
        item: number of the community.
        refused: whether it refused the user.
        at: when, epoch ms, in order.
        places: by city, whom communities let in from there (see ``by_place``).
    """

    user: Ints
    item: Ints
    refused: Bools
    at: Ints
    places: Places

    def of(self, rows: Ints, users: int) -> Checks:
        """Of some of so many users, by their positions."""
        position = np.full(users, -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        those = position[self.user] >= 0
        return Checks(
            position[self.user[those]], self.item[those], self.refused[those], self.at[those], self.places
        )

    def table(self, history: History, communities: int, at: int) -> tuple[Bools, Bools]:
        """Whom each of so many communities refused by a time, and whose place it was known to let in.

        The last check of the user counts, without any all those from where the user mostly was;
        (users, communities) each.
        """
        shape = (len(history.users), communities)
        refused, admitted = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
        for place, users in _positions(history, at).items():
            item, checked, let_in = self.places.get(place, _NOWHERE)
            refused[np.ix_(users, item[(checked < at) & (let_in >= at)])] = True
            admitted[np.ix_(users, item[let_in < at])] = True
        # Of several values for one place the last is kept.
        known = self.at < at
        refused[self.user[known], self.item[known]] = self.refused[known]
        return refused, admitted


def by_place(found: Iterable[tuple[str, int, int, int]]) -> Places:
    """Of cities and numbers of communities, when somebody from there was first checked, and first let in.

    ``NEVER`` where nobody was let in. By city, in one array of three rows; times are epoch ms.
    """
    rows: dict[str, list[tuple[int, int, int]]] = {}
    for place, *row in found:
        rows.setdefault(place, []).append((row[0], row[1], row[2]))
    return {place: np.array(of, dtype=np.int64).T for place, of in rows.items()}


_NOWHERE: Final = np.zeros((3, 0), dtype=np.int64)


def _positions(history: History, at: int) -> dict[str, Ints]:
    """Positions of users by the city where each mostly was; without those of whom nobody knows."""
    places = history.places_at(at)
    return {str(place): np.flatnonzero(places == place) for place in np.unique(places) if place}
