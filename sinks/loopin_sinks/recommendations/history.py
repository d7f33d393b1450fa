"""What users have looked at and joined, in arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from loopin_sinks.recommendations.platform_events import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class History:
    """Users' dealings with items, one a row of the last four arrays.

    Attributes:
        users: the distinct_id that names each person.
        places: the city where each mostly is; ``''`` where nobody knows.
        user: position in ``users``.
        item: number of the item.
        taken: whether it was joined, else only looked at.
        at: when, epoch ms.
    """

    users: tuple[str, ...]
    places: tuple[str, ...]
    user: Ints
    item: Ints
    taken: Bools
    at: Ints

    def before(self, at: int) -> History:
        """What had happened by a time."""
        return self._those(self.at < at)

    def within(self, start: int, end: int) -> History:
        """What happened in a time."""
        return self._those((self.at >= start) & (self.at < end))

    def table(self, columns: Ints, number: int, *, taken: bool) -> Floats:
        """How often each user took, or only looked at, items, (users, number).

        Args:
            columns: of each item the column that counts it, such as its category; -1 for none.
            number: how many columns there are.
            taken: which of the two.
        """
        found = np.zeros((len(self.users), number))
        column = columns[self.item]
        those = (self.taken == taken) & (column >= 0)
        np.add.at(found, (self.user[those], column[those]), 1)
        return found

    def of(self, rows: Ints) -> History:
        """Of some of the users, by their positions."""
        position = np.full(len(self.users), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        theirs = position[self.user] >= 0
        known = self._those(theirs)
        return History(
            tuple(self.users[row] for row in rows),
            tuple(self.places[row] for row in rows),
            position[known.user],
            known.item,
            known.taken,
            known.at,
        )

    def _those(self, which: Bools) -> History:
        return History(
            self.users, self.places, self.user[which], self.item[which], self.taken[which], self.at[which]
        )


@dataclass(frozen=True, slots=True)
class Demand:
    """How often items were looked at and taken by everybody; each row is a number of them from a time on."""

    item: Ints
    at: Ints
    looks: Ints
    takes: Ints

    def before(self, at: int, items: int) -> tuple[Floats, Floats]:
        """Looks and takes of each item up to a time, (items,) each."""
        those = self.at < at
        looks, takes = np.zeros(items), np.zeros(items)
        np.add.at(looks, self.item[those], self.looks[those])
        np.add.at(takes, self.item[those], self.takes[those])
        return looks, takes


def only(items: Ints, of: int) -> Ints:
    """Columns for some items of so many: each its position, -1 for all others."""
    columns = np.full(of, -1, dtype=np.int64)
    columns[items] = np.arange(len(items))
    return columns
