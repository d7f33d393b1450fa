"""Platform events as they can be recommended: what they are, and when they are open."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

PRICES: Final = ("", "free", "cheap", "middling", "dear")
"""Classes of prices: unknown, none, and thirds of the prices there are in the same currency.

Equal prices are of one class, that of the middle of their ranks: what nearly all cost is not cheap.
"""


class PlatformEvent(NamedTuple):
    """One event of ``event_created``; ``''`` and None for what it does not say. Times are epoch ms."""

    id: str
    category: str
    city: str
    host: str
    """What names the person."""
    price: float | None
    currency: str
    capacity: float | None
    created: int
    starts: int | None
    community: str = ""
    """Which community it is of: whom that refuses cannot come."""
    turns: tuple[int, ...] = ()
    """When it was closed, opened again, closed again and so on, in order (see ``turns``)."""

    def open_at(self, at: int) -> bool:
        """Whether people can join it at a time: created, not begun, not cancelled, not sold out."""
        begun = self.starts is not None and self.starts <= at
        return self.created <= at and not begun and bisect_left(self.turns, at) % 2 == 0


class Change(NamedTuple):
    """What begins or ends a reason for which a platform event is closed."""

    reason: str
    closes: bool


CHANGES: Final = {
    "event_cancelled": Change("cancelled", True),
    "event_published": Change("cancelled", False),
    "event_sold_out": Change("sold out", True),
    "event_left": Change("sold out", False),
}
"""Events that may change whether a platform event is open: a seat that is free opens what was sold out."""


def turns(changes: Iterable[tuple[int, str]]) -> tuple[int, ...]:
    """When a platform event was closed and opened, by turns, of ``CHANGES`` by epoch ms, in any order.

    It is closed while there is any reason for it. What closes counts last of what happens at the same time.
    """
    reasons: set[str] = set()
    found: list[int] = []
    for at, name in sorted(changes, key=lambda change: (change[0], CHANGES[change[1]].closes)):
        was_closed, (reason, closes) = bool(reasons), CHANGES[name]
        reasons = reasons | {reason} if closes else reasons - {reason}
        if bool(reasons) != was_closed:
            found.append(at)
    return tuple(found)


@dataclass(frozen=True)
class PlatformEvents:
    """All that were created in the time looked at, numbered in the order in which they were."""

    all: tuple[PlatformEvent, ...]

    def __len__(self) -> int:
        return len(self.all)

    def created_by(self, at: int) -> PlatformEvents:
        """Those that there were at a time, under the same numbers."""
        return PlatformEvents(self.all[: bisect_right(self.all, at, key=lambda event: event.created)])

    @cached_property
    def number(self) -> dict[str, int]:
        """Position by id."""
        return {event.id: number for number, event in enumerate(self.all)}

    @cached_property
    def categories(self) -> Ints:
        """Which category each is of, numbered by ``category_names``."""
        return _numbers([event.category for event in self.all], self.category_names)

    @cached_property
    def category_names(self) -> tuple[str, ...]:
        """Names of categories, sorted."""
        return tuple(sorted({event.category for event in self.all}))

    @cached_property
    def hosts(self) -> Ints:
        """Which host each is by, numbered by ``host_names``."""
        return _numbers([event.host for event in self.all], self.host_names)

    @cached_property
    def host_names(self) -> tuple[str, ...]:
        """Hosts' ids, sorted."""
        return tuple(sorted({event.host for event in self.all}))

    def hosted_by(self, users: Sequence[str], candidates: Ints) -> Bools:
        """Whether each user is the host of each of some, (users, candidates)."""
        position = {host: at for at, host in enumerate(self.host_names)}
        return np.asarray(
            np.array([position.get(user, -1) for user in users])[:, None] == self.hosts[candidates]
        )

    @cached_property
    def cities(self) -> Ints:
        """Where each is held, numbered by ``city_names``."""
        return _numbers([event.city for event in self.all], self.city_names)

    @cached_property
    def city_names(self) -> tuple[str, ...]:
        """Names of cities, sorted."""
        return tuple(sorted({event.city for event in self.all}))

    @cached_property
    def communities(self) -> Ints:
        """Which community each is of, numbered by ``community_names``."""
        return _numbers([event.community for event in self.all], self.community_names)

    @cached_property
    def community_names(self) -> tuple[str, ...]:
        """Communities' ids, sorted; ``''`` stands for none."""
        return tuple(sorted({event.community for event in self.all}))

    @cached_property
    def capacities(self) -> Floats:
        """Seats of each; NaN where nobody says."""
        return np.array([np.nan if e.capacity is None else e.capacity for e in self.all], dtype=np.float64)

    @cached_property
    def starts(self) -> Floats:
        """When each begins, epoch ms; infinite where nobody says."""
        return np.array([np.inf if e.starts is None else e.starts for e in self.all], dtype=np.float64)

    @cached_property
    def prices(self) -> Ints:
        """Class of each price, as a position in ``PRICES``."""
        paid: dict[str, list[float]] = {}
        for event in self.all:
            if event.price:
                paid.setdefault(event.currency, []).append(event.price)
        ordered = {code: np.sort(prices) for code, prices in paid.items()}
        return np.array([_price_class(event, ordered) for event in self.all], dtype=np.int64)

    def open_at(self, at: int) -> Ints:
        """Numbers of those that people can join at a time, by what happened before it."""
        found = np.asarray((self._created <= at) & (self.starts > at))
        # Few were closed at all: only these are gone through one by one.
        for number in self._turned[found[self._turned]]:
            found[number] = self.all[number].open_at(at)
        return np.flatnonzero(found)

    @cached_property
    def _created(self) -> Ints:
        return np.array([event.created for event in self.all], dtype=np.int64)

    @cached_property
    def _turned(self) -> Ints:
        return np.flatnonzero(np.array([bool(event.turns) for event in self.all], dtype=np.bool_))


_SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")


def _numbers(values: Sequence[str], names: Sequence[str]) -> Ints:
    number = {name: at for at, name in enumerate(names)}
    return np.array([number[value] for value in values], dtype=np.int64)


def _price_class(event: PlatformEvent, ordered: dict[str, Floats]) -> int:
    if event.price is None:
        return 0
    if event.price == 0:
        return 1
    prices = ordered[event.currency]
    dearer_than, up_to = (np.searchsorted(prices, event.price, side) for side in _SIDES)
    middle = (dearer_than + up_to) / 2 / len(prices)
    return 2 + int(np.searchsorted((1 / 3, 2 / 3), middle, side="left"))
