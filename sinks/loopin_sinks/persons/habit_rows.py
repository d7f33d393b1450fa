"""What users are used to, as columns of the table ``profiles``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loopin_schemas.behaviour import HALF_LIVES, KINDS
from loopin_schemas.habits import ACTION_KEYS, ERA_DAYS, HOURS, ON_CLOCK, WHOLE, Habits, Prices, action_name
from loopin_schemas.profile import Profile
from loopin_schemas.scores.engagement_trend import engagement_change, engagement_trend
from loopin_sinks.persons.active_days import ActiveDays
from loopin_sinks.persons.amounts import EXACT, exact
from loopin_sinks.persons.columns import lists, numbers, ratios
from loopin_streams.behaviour.counts import DAY_MS
from loopin_streams.behaviour.engagement import INTERACTIONS, PAGE_VIEWS, left_over, profile_engagement
from loopin_streams.behaviour.rates import Faded, faded

LATELY, USUALLY = HALF_LIVES.index(10.0), HALF_LIVES.index(25.0)
"""Half-lives of the present pace, and of the usual one."""

_EVENTS, _DAYS, _FRIENDLY, _UNFRIENDLY = map(KINDS.index, ("events", "days", "positive", "negative"))
_PACE: Final = (LATELY, USUALLY)

_MS = pa.timestamp("ms", "UTC")
_TEXTS = pa.list_(pa.string())
_NUMBERS = pa.list_(pa.float64())
_COUNTS = pa.list_(pa.uint64())
_AMOUNTS = pa.list_(EXACT)

_NO_HABITS: Final = Habits(0, bytearray())
_ENGAGING: Final = tuple((name, ACTION_KEYS[name]) for name in (PAGE_VIEWS, *INTERACTIONS))


class Price(NamedTuple):
    """What a user saw or paid in one currency; ``kind`` is ``bought`` or ``viewed``."""

    kind: str
    currency: str
    prices: Prices


class Users:
    """Profiles, and what several columns take from them, in their order."""

    def __init__(self, profiles: Sequence[Profile], days: ActiveDays) -> None:
        self.profiles = profiles
        self.days = days
        self.at = [analysed_at(profile) for profile in profiles]
        self.habits = [profile.habits or _NO_HABITS for profile in profiles]
        self._counted = [n for n, profile in enumerate(profiles) if profile.behaviour is not None]

    @cached_property
    def prices(self) -> list[tuple[Price, ...]]:
        """Of each by kind and currency."""
        return [tuple(_prices(habits)) for habits in self.habits]

    @cached_property
    def sessions(self) -> list[tuple[int, int, int]]:
        """How many, how long together (ms), and their events."""
        return [_sessions(profile) for profile in self.profiles]

    @cached_property
    def events_a_day(self) -> NDArray[np.float64]:
        """Lately and usually, (users, 2)."""
        return self._of_all(self._faded.rates[:, _EVENTS, _PACE])

    @cached_property
    def days_a_day(self) -> NDArray[np.float64]:
        """Share of days that are active, lately and usually, (users, 2)."""
        return self._of_all(self._faded.rates[:, _DAYS, _PACE])

    def felt(self, kind: int) -> NDArray[np.float64]:
        """What is left of words and ratings of a kind."""
        return self._of_all(self._faded.counts[:, kind, USUALLY])

    def engagement(self) -> Iterator[float]:
        """Of each when it was analysed."""
        each = zip(self.profiles, self.habits, self.at, self.days.each(ERA_DAYS), strict=True)
        for profile, habits, at, days in each:
            day = at // DAY_MS
            weight = left_over(day // ERA_DAYS - habits.era) / WHOLE
            actions = {name: habits.actions.get(key, 0) * weight for name, key in _ENGAGING}
            yield profile_engagement(profile.first_seen // DAY_MS, day, days, actions)

    def trend(self) -> Iterator[str]:
        """Of each."""
        pace = np.hstack((self.events_a_day, self.days_a_day)).tolist()
        return (engagement_trend(engagement_change(*each)) for each in pace)

    def _of_all(self, of_counted: NDArray[Any]) -> NDArray[np.float64]:
        found = np.zeros((len(self.profiles), *of_counted.shape[1:]))
        found[self._counted] = of_counted
        return found

    @cached_property
    def _faded(self) -> Faded:
        behaviours = [profile.behaviour for profile in self.profiles if profile.behaviour is not None]
        return faded(behaviours, [self.at[n] for n in self._counted])


def _prices(habits: Habits) -> Iterator[Price]:
    if habits.spending is not None:
        for kind, prices in (("bought", habits.spending.bought), ("viewed", habits.spending.viewed)):
            yield from (Price(kind, currency, price) for currency, price in prices.items())


def _sessions(profile: Profile) -> tuple[int, int, int]:
    past, now, earlier = profile.past, profile.session, profile.earlier
    sessions, ms, events = (0, 0, 0) if past is None else (past.sessions, past.ms, past.events)
    for session in (now, *earlier):
        ms += session.last - session.started
        events += session.events
    return sessions + 1 + len(earlier), ms, events


def analysed_at(profile: Profile) -> int:
    """Of when what the profile says is, epoch ms: its newest event, or a later look at it."""
    return max([profile.last_seen, profile.looked_at, *(score.at for score in profile.scores.values())])


class Column(NamedTuple):
    """A column of the table, and the values of users in it."""

    name: str
    type: pa.DataType
    of: Callable[[Users], pa.Array]


def _plain(name: str, kind: pa.DataType, of: Callable[[Users], Iterable[Any]]) -> Column:
    return Column(name, kind, lambda users: pa.array(of(users), kind))


def _names(name: str, of: Callable[[Habits], dict[str, int]]) -> Column:
    return Column(name, _TEXTS, lambda users: lists(_TEXTS, [of(each) for each in users.habits]))


def _counts(name: str, of: Callable[[Habits], dict[str, int]]) -> Column:
    return Column(name, _NUMBERS, lambda users: ratios([of(each).values() for each in users.habits], WHOLE))


def _clock(name: str, part: slice) -> Column:
    return Column(name, _NUMBERS, lambda users: ratios([each.clock[part] for each in users.habits], ON_CLOCK))


def _priced(name: str, kind: pa.ListType, of: Callable[[Price], object]) -> Column:
    return Column(name, kind, lambda users: lists(kind, users.prices, of))


def _pace(name: str, of: Callable[[Users], NDArray[np.float64]]) -> Column:
    def column(users: Users) -> pa.Array:
        return numbers(_NUMBERS, np.full(len(users.profiles), len(_PACE)), of(users).ravel())

    return Column(name, _NUMBERS, column)


COLUMNS: Final[tuple[Column, ...]] = (
    _plain("time_zone", pa.string(), lambda users: [each.zone for each in users.habits]),
    _plain("habits_from", pa.date32(), lambda users: [each.era * ERA_DAYS for each in users.habits]),
    _clock("hours", slice(HOURS)),
    _clock("weekdays", slice(HOURS, None)),
    Column(
        "actions", _TEXTS, lambda users: lists(_TEXTS, [each.actions for each in users.habits], action_name)
    ),
    _counts("action_counts", lambda habits: habits.actions),
    _names("event_types", lambda habits: habits.event_types),
    _counts("event_type_counts", lambda habits: habits.event_types),
    _names("communities", lambda habits: habits.communities),
    _counts("community_counts", lambda habits: habits.communities),
    _priced("price_kinds", _TEXTS, lambda price: price.kind),
    _priced("price_currencies", _TEXTS, lambda price: price.currency),
    _priced("least_prices", _AMOUNTS, lambda price: exact(price.prices.least)),
    _priced("greatest_prices", _AMOUNTS, lambda price: exact(price.prices.greatest)),
    _priced("price_numbers", _COUNTS, lambda price: price.prices.number),
    _priced("price_totals", _AMOUNTS, lambda price: exact(price.prices.total)),
    _plain(
        "payment_failures",
        pa.uint32(),
        lambda users: [each.spending.failures if each.spending else 0 for each in users.habits],
    ),
    _plain("habit_sessions", pa.uint64(), lambda users: [number for number, _, _ in users.sessions]),
    _plain("habit_sessions_ms", pa.uint64(), lambda users: [ms for _, ms, _ in users.sessions]),
    _plain("habit_sessions_events", pa.uint64(), lambda users: [events for _, _, events in users.sessions]),
    _pace("events_a_day", lambda users: users.events_a_day),
    _pace("days_a_day", lambda users: users.days_a_day),
    _plain("friendly", pa.float64(), lambda users: users.felt(_FRIENDLY)),
    _plain("unfriendly", pa.float64(), lambda users: users.felt(_UNFRIENDLY)),
    _plain("engagement_score", pa.float64(), lambda users: list(users.engagement())),
    _plain("engagement_trend", pa.string(), lambda users: list(users.trend())),
    _plain("analysed_at", _MS, lambda users: users.at),
)

FIELDS: Final = tuple(pa.field(column.name, column.type, nullable=False) for column in COLUMNS)


def habit_columns(profiles: Sequence[Profile], days: ActiveDays) -> list[pa.Array]:
    """The values of ``FIELDS``, by column."""
    users = Users(profiles, days)
    return [column.of(users) for column in COLUMNS]
