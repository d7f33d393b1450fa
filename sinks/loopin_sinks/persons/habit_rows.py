"""What users are used to, as columns of the table ``profiles``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from loopin_schemas.behaviour import HALF_LIVES, KINDS
from loopin_schemas.habits import ERA_DAYS, HOURS, ON_CLOCK, WHOLE, Habits, Prices, Spending, action_name
from loopin_schemas.profile import Profile
from loopin_schemas.scores.engagement_trend import engagement_change, engagement_trend
from loopin_sinks.persons.amounts import EXACT, exact
from loopin_streams.behaviour.counts import DAY_MS
from loopin_streams.behaviour.engagement import left_over, profile_engagement
from loopin_streams.behaviour.rates import Faded, faded

LATELY, USUALLY = HALF_LIVES.index(10.0), HALF_LIVES.index(25.0)
"""Half-lives of the present pace, and of the usual one."""

_EVENTS, _DAYS, _FRIENDLY, _UNFRIENDLY = map(KINDS.index, ("events", "days", "positive", "negative"))

_MS = pa.timestamp("ms", "UTC")
_TEXTS = pa.list_(pa.string())
_NUMBERS = pa.list_(pa.float64())
_COUNTS = pa.list_(pa.uint64())
_AMOUNTS = pa.list_(EXACT)


class Pace(NamedTuple):
    """How much a user does: events and active days a day, lately and usually, and how friendly they are."""

    events: tuple[float, float] = (0.0, 0.0)
    days: tuple[float, float] = (0.0, 0.0)
    friendly: float = 0.0
    unfriendly: float = 0.0


class Known(NamedTuple):
    """A user's profile, and what follows from it as of epoch ms ``at``.

    ``prices`` are by kind and currency, ``sessions`` how many, how long together (ms), and their events.
    """

    profile: Profile
    habits: Habits
    pace: Pace
    at: int
    days: Sequence[int]
    prices: Sequence[tuple[str, str, Prices]]
    sessions: tuple[int, int, int]


_NO_HABITS: Final = Habits(0, bytearray())
_ON_CLOCK: Final = tuple(count / ON_CLOCK for count in range(256))


def _prices(spending: Spending | None) -> list[tuple[str, str, Prices]]:
    if spending is None:
        return []
    kinds = {"bought": spending.bought, "viewed": spending.viewed}
    return [(kind, code, price) for kind, prices in kinds.items() for code, price in prices.items()]


def _clock(of: Known, part: slice) -> list[float]:
    return [_ON_CLOCK[count] for count in of.habits.clock[part]]


def _counts(counts: dict[str, int]) -> list[float]:
    return [count / WHOLE for count in counts.values()]


def _sessions(profile: Profile) -> tuple[int, int, int]:
    past, remembered = profile.past, [profile.session, *profile.earlier]
    number, ms, events = (0, 0, 0) if past is None else (past.sessions, past.ms, past.events)
    return (
        number + len(remembered),
        ms + sum(session.last - session.started for session in remembered),
        events + sum(session.events for session in remembered),
    )


def _engagement(of: Known) -> float:
    day = of.at // DAY_MS
    left = left_over(day // ERA_DAYS - of.habits.era)
    actions = {action_name(key): count / WHOLE * left for key, count in of.habits.actions.items()}
    return profile_engagement(of.profile.first_seen // DAY_MS, day, of.days, actions)


def _trend(of: Known) -> str:
    return engagement_trend(engagement_change(*of.pace.events, *of.pace.days))


class Column(NamedTuple):
    """A column of the table, and what of a user is in it."""

    name: str
    type: pa.DataType
    of: Callable[[Known], Any]


COLUMNS: Final[tuple[Column, ...]] = (
    Column("time_zone", pa.string(), lambda of: of.habits.zone),
    Column("habits_from", pa.date32(), lambda of: of.habits.era * ERA_DAYS),
    Column("hours", _NUMBERS, lambda of: _clock(of, slice(HOURS))),
    Column("weekdays", _NUMBERS, lambda of: _clock(of, slice(HOURS, None))),
    Column("actions", _TEXTS, lambda of: list(map(action_name, of.habits.actions))),
    Column("action_counts", _NUMBERS, lambda of: _counts(of.habits.actions)),
    Column("event_types", _TEXTS, lambda of: list(of.habits.event_types)),
    Column("event_type_counts", _NUMBERS, lambda of: _counts(of.habits.event_types)),
    Column("communities", _TEXTS, lambda of: list(of.habits.communities)),
    Column("community_counts", _NUMBERS, lambda of: _counts(of.habits.communities)),
    Column("price_kinds", _TEXTS, lambda of: [kind for kind, _, _ in of.prices]),
    Column("price_currencies", _TEXTS, lambda of: [currency for _, currency, _ in of.prices]),
    Column("least_prices", _AMOUNTS, lambda of: [exact(price.least) for _, _, price in of.prices]),
    Column("greatest_prices", _AMOUNTS, lambda of: [exact(price.greatest) for _, _, price in of.prices]),
    Column("price_numbers", _COUNTS, lambda of: [price.number for _, _, price in of.prices]),
    Column("price_totals", _AMOUNTS, lambda of: [exact(price.total) for _, _, price in of.prices]),
    Column(
        "payment_failures", pa.uint32(), lambda of: of.habits.spending.failures if of.habits.spending else 0
    ),
    Column("habit_sessions", pa.uint64(), lambda of: of.sessions[0]),
    Column("habit_sessions_ms", pa.uint64(), lambda of: of.sessions[1]),
    Column("habit_sessions_events", pa.uint64(), lambda of: of.sessions[2]),
    Column("events_a_day", _NUMBERS, lambda of: list(of.pace.events)),
    Column("days_a_day", _NUMBERS, lambda of: list(of.pace.days)),
    Column("friendly", pa.float64(), lambda of: of.pace.friendly),
    Column("unfriendly", pa.float64(), lambda of: of.pace.unfriendly),
    Column("engagement_score", pa.float64(), _engagement),
    Column("engagement_trend", pa.string(), _trend),
    Column("analysed_at", _MS, lambda of: of.at),
)

FIELDS: Final = tuple(pa.field(column.name, column.type, nullable=False) for column in COLUMNS)


def habit_columns(profiles: Sequence[Profile], days: Sequence[Sequence[int]]) -> list[list[Any]]:
    """The values of ``FIELDS``, by column; ``days`` are each user's active ones, days since 1970."""
    at = [analysed_at(profile) for profile in profiles]
    known = [
        _known(profile, pace, when, active)
        for profile, pace, when, active in zip(profiles, _paces(profiles, at), at, days, strict=True)
    ]
    return [[column.of(each) for each in known] for column in COLUMNS]


def _known(profile: Profile, pace: Pace, at: int, days: Sequence[int]) -> Known:
    habits = profile.habits or _NO_HABITS
    return Known(profile, habits, pace, at, days, _prices(habits.spending), _sessions(profile))


def analysed_at(profile: Profile) -> int:
    """Of when the profile's scores are, epoch ms: its newest event, or a later look at it."""
    return max([profile.last_seen, *(score.at for score in profile.scores.values())])


def _paces(profiles: Sequence[Profile], at: Sequence[int]) -> list[Pace]:
    found = [Pace()] * len(profiles)
    counted = [(n, profile.behaviour) for n, profile in enumerate(profiles) if profile.behaviour is not None]
    if counted:
        of = faded([behaviour for _, behaviour in counted], [at[n] for n, _ in counted])
        for row, (n, _) in enumerate(counted):
            found[n] = _pace(of, row)
    return found


def _pace(of: Faded, row: int) -> Pace:
    rates, counts = of.rates[row], of.counts[row]
    return Pace(
        (float(rates[_EVENTS, LATELY]), float(rates[_EVENTS, USUALLY])),
        (float(rates[_DAYS, LATELY]), float(rates[_DAYS, USUALLY])),
        float(counts[_FRIENDLY, USUALLY]),
        float(counts[_UNFRIENDLY, USUALLY]),
    )
