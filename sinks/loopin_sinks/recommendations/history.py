"""What users have looked at and joined, in arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_sinks.recommendations.platform_events import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class Places:
    """Where users were, one city of a user and a day a row of the last four arrays.

    Attributes:
        cities: their names, sorted.
        user: position among the users that are meant.
        city: position in ``cities``.
        events: how many of the user's events were there.
        at: when the first was, epoch ms.
    """

    cities: tuple[str, ...]
    user: Ints
    city: Ints
    events: Ints
    at: Ints

    def before(self, at: int, users: int) -> NDArray[np.str_]:
        """The city where most events of each of so many users were by a time; ``''`` where nobody knows."""
        known, number = self._those(self.at < at), len(self.cities)
        pairs, which = np.unique(known.user * number + known.city, return_inverse=True)
        order = np.lexsort((pairs, np.bincount(which, known.events, minlength=len(pairs))))
        # Of several values for one user the last is kept: of the most events, of as many the last by name.
        most = np.zeros(users, dtype=np.int64)
        most[pairs[order] // max(number, 1)] = pairs[order] % max(number, 1) + 1
        return np.array(["", *self.cities], dtype=np.str_)[most]

    def of(self, rows: Ints, users: int) -> Places:
        """Of some of so many users, by their positions."""
        position = np.full(users, -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        known = self._those(position[self.user] >= 0)
        return replace(known, user=position[known.user])

    def _those(self, which: Bools) -> Places:
        return Places(self.cities, self.user[which], self.city[which], self.events[which], self.at[which])


@dataclass(frozen=True, slots=True)
class History:
    """Users' dealings with items, one a row of the last four arrays.

    Attributes:
        users: the distinct_id that names each person.
        places: where they were, and when.
        user: position in ``users``.
        item: number of the item.
        taken: whether it was joined, else only looked at.
        at: when, epoch ms.
    """

    users: tuple[str, ...]
    places: Places
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

    def places_at(self, at: int) -> NDArray[np.str_]:
        """The city where each mostly was by a time; ``''`` where nobody knows. (users,)."""
        return self.places.before(at, len(self.users))

    def first_items(self, number: int) -> History:
        """Dealings with so many of the items, the first by their numbers."""
        return self._those(self.item < number)

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

    def counts(self, columns: Ints, number: int, *, taken: bool) -> Any:
        """The same of many users, sparse: most of them dealt with little of what there is."""
        # Imported where it is used: processes that fit nothing may do without.
        from scipy.sparse import coo_matrix

        column = columns[self.item]
        those = (self.taken == taken) & (column >= 0)
        where = (self.user[those], column[those])
        shape = (len(self.users), number)
        return coo_matrix((np.ones(int(those.sum())), where), shape=shape).tocsr()

    def takers(self, columns: Ints) -> Ints:
        """Positions of the users who took any of the items that have a column, in order."""
        return np.unique(self.user[self.taken & (columns[self.item] >= 0)])

    def of(self, rows: Ints) -> History:
        """Of some of the users, by their positions."""
        position = np.full(len(self.users), -1, dtype=np.int64)
        position[rows] = np.arange(len(rows))
        theirs = position[self.user] >= 0
        known = self._those(theirs)
        return History(
            tuple(self.users[row] for row in rows),
            self.places.of(rows, len(self.users)),
            position[known.user],
            known.item,
            known.taken,
            known.at,
        )

    def _those(self, which: Bools) -> History:
        return History(
            self.users, self.places, self.user[which], self.item[which], self.taken[which], self.at[which]
        )


class Wanted(NamedTuple):
    """How many people want each item, (items,) each.

    Attributes:
        looks: who have looked at it.
        takes: who have joined it and not left it again.
    """

    looks: Floats
    takes: Floats


@dataclass(frozen=True, slots=True)
class Demand:
    """How many people more, or fewer, want items from a time on, of everybody; one change a row.

    Each looks at an item only once, however often; whoever leaves it is one fewer who took it.
    """

    item: Ints
    at: Ints
    looks: Ints
    takes: Ints

    def before(self, at: int, items: int) -> Wanted:
        """What has come of that by a time, of each of so many items, the first by number."""
        those = (self.at < at) & (self.item < items)
        item = self.item[those]
        found = Wanted(np.zeros(items), np.zeros(items))
        np.add.at(found.looks, item, self.looks[those])
        np.add.at(found.takes, item, self.takes[those])
        return found

    def known(self, at: int, items: int) -> Bools:
        """Whether anybody had dealt with each of so many items by a time, (items,)."""
        found = np.zeros(items, dtype=np.bool_)
        found[self.item[(self.at < at) & (self.item < items)]] = True
        return found


def only(items: Ints, of: int) -> Ints:
    """Columns for some items of so many: each its position, -1 for all others."""
    columns = np.full(of, -1, dtype=np.int64)
    columns[items] = np.arange(len(items))
    return columns
