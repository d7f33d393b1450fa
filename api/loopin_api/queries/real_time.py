"""What happens just now: the catalogue's definitions, minute by minute."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from loopin_api.queries.overview import largest
from loopin_schemas.metrics import Dimension
from loopin_schemas.metrics.definition import (
    ACTIVE,
    Condition,
    Count,
    Definition,
    OnlineMembers,
    Revenue,
    Users,
    events,
)
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.money import unconverted
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.store import Store

MINUTES: Final = 30
MAX_LISTED: Final = 10
"""Most events and countries in an answer, those with the most."""

ERRORS: Final = (
    Count(events("$exception", "app_crashed")),
    Count(events("error_logged", where=Condition("level", "eq", "error"))),
    Count(events("error_logged", where=Condition("level", "eq", "critical"))),
)

_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Tally:
    """One minute, or all of them; money in the project's currency."""

    at: datetime
    events: int
    active_users: int
    revenue: float
    online_members: int
    errors: int


@dataclass(frozen=True, slots=True)
class Country:
    """Users and events of a country; ``""`` where it is not known."""

    country: str
    active_users: int
    events: int


@dataclass(frozen=True, slots=True)
class RealTime:
    """The last minutes, one by one and all together; ``whole.online_members`` are those of now."""

    minutes: Sequence[Tally]
    whole: Tally
    other_revenue: Mapping[str, float]
    top_events: Sequence[tuple[str, int]]
    countries: Sequence[Country]


def last_minutes(now: datetime) -> Periods:
    """The last minutes of the clock; the one that is not over is the last."""
    begun = now.astimezone(UTC).replace(second=0, microsecond=0)
    first = begun - (MINUTES - (begun < now)) * _MINUTE
    return Periods((*(first + number * _MINUTE for number in range(MINUTES)), now))


async def real_time(store: Store, scope: Scope) -> RealTime:
    """What happened in the minutes up to now.

    Raises:
        StoreError: the store did not answer.
    """
    minutes = last_minutes(scope.now)
    whole = Periods((minutes.start, minutes.end))
    by_minute, (total,), others, top, countries = await asyncio.gather(
        _tallies(store, scope, minutes),
        _tallies(store, scope, whole),
        unconverted(store, scope, whole),
        _by(store, scope, Count(ACTIVE), whole, "event"),
        _countries(store, scope, whole),
    )
    return RealTime(
        minutes=by_minute,
        whole=replace(total, online_members=by_minute[-1].online_members),
        other_revenue=largest({code: amount for (_, _, code), amount in others.items()}),
        top_events=_most(top)[:MAX_LISTED],
        countries=countries,
    )


async def _tallies(store: Store, scope: Scope, periods: Periods) -> list[Tally]:
    # Members are told by whole minutes: with its end as an edge, the one that is not over is one, too.
    through = Periods((*periods.edges[:-1], periods.edges[-2] + _MINUTE))
    found = await asyncio.gather(
        values_of(store, scope, Count(ACTIVE), periods),
        values_of(store, scope, Users(ACTIVE), periods),
        values_of(store, scope, Revenue(), periods),
        values_of(store, scope, OnlineMembers("peak"), through),
        *(values_of(store, scope, of, periods) for of in ERRORS),
    )
    tallies = []
    for number, at in enumerate(periods.edges[:-1]):
        happened, users, revenue, online, *errors = (values.get((number, ""), 0.0) for values in found)
        tallies.append(Tally(at, int(happened), int(users), revenue, int(online), int(sum(errors))))
    return tallies


async def _countries(store: Store, scope: Scope, whole: Periods) -> list[Country]:
    users, happened = await asyncio.gather(
        _by(store, scope, Users(ACTIVE), whole, "country"),
        _by(store, scope, Count(ACTIVE), whole, "country"),
    )
    return [Country(country, number, happened[country]) for country, number in _most(users)[:MAX_LISTED]]


async def _by(store: Store, scope: Scope, of: Definition, whole: Periods, by: Dimension) -> dict[str, int]:
    found = await values_of(store, replace(scope, by=by), of, whole)
    return {value: int(number) for (_, value), number in found.items()}


def _most(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(numbers.items(), key=lambda one: (-one[1], one[0]))
