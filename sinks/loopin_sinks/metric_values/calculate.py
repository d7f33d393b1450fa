"""The value of any metric, from the stored events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from loopin_schemas.metrics import CATALOGUE
from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_history.coverage import coverage
from loopin_sinks.metric_values import communities, counts, days, followed, growth, lately, money
from loopin_sinks.metric_values import platform_events as held
from loopin_sinks.metric_values.high_scores import high_scores
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sessions import SessionNumbers, session_numbers, unique_page_views
from loopin_sinks.metric_values.unknown import unknown
from loopin_sinks.metric_values.values import Values, quotient
from loopin_sinks.rollups.notes import rolled
from loopin_sinks.store import Store

T = TypeVar("T")

Calculation = Callable[[Store, Scope, Any, Periods], Awaitable[Values]]


async def values_of(store: Store, scope: Scope, of: d.Definition, periods: Periods) -> Values:
    """What one definition comes to, see ``Calculator.values``."""
    return await Calculator(store, scope).values(of, periods)


async def with_rollups(store: Store, scope: Scope) -> Scope:
    """The scope, with the days that are rolled up. Raises StoreError."""
    return replace(scope, rolled=await rolled(store, scope.project, scope.zone_name, scope.midnight))


class Calculator:
    """Computes metrics of one scope for one answer, and what several of them are made of only once."""

    def __init__(self, store: Store, scope: Scope) -> None:
        self.store = store
        self.scope = scope
        self._asked: dict[Hashable, asyncio.Future[Any]] = {}

    async def values(self, of: d.Definition, periods: Periods) -> Values:
        """What a definition comes to in each period, by value of the scope's dimension.

        What is missing is null, and so is what nobody can tell any more; counts and sums without a dimension
        are 0 where nothing happened.

        Raises:
            StoreError: the store did not answer.
        """
        found = await self._once((of, periods.edges), lambda: self._values(of, periods))
        gone = await self.unknown(of, periods)
        if gone:
            found = {key: value for key, value in found.items() if key[0] not in gone}
        if self.scope.by is None and isinstance(of, NEVER_NULL):
            known = (number for number in range(len(periods)) if number not in gone)
            return {(number, ""): found.get((number, ""), 0.0) for number in known}
        return found

    async def unknown(self, of: d.Definition, periods: Periods) -> set[int]:
        """Positions of the periods whose events are gone, and of which no rollup tells.

        Of single users it is told what is left. Raises StoreError.
        """
        if isinstance(of, d.Quotient):
            part, whole = await asyncio.gather(
                self.unknown(of.part, periods), self.unknown(of.whole, periods)
            )
            return part | whole
        if self.scope.users:
            return set()
        scope = await self.with_rollups()
        if scope.rolled.surely_covers(scope.day_of(periods.start), scope.day_of(scope.now)):
            return set()
        if not unknown(scope, of, periods, scope.day_of(scope.now)):
            return set()
        covered = await self._once("coverage", lambda: coverage(self.store, scope))
        if covered is None or not covered.expired:
            return set()
        return unknown(scope, of, periods, scope.day_of(covered.start))

    async def _values(self, of: d.Definition, periods: Periods) -> Values:
        if isinstance(of, d.Quotient):
            return quotient(
                *await asyncio.gather(self.values(of.part, periods), self.values(of.whole, periods))
            )
        if isinstance(of, d.Sessions):
            return (await self._sessions(periods)).counts[of.which]
        if isinstance(of, d.Revenue):
            return money.converted(self.scope, await self._takings(periods))
        if isinstance(of, d.SessionLength):
            return (await self._sessions(periods)).minutes
        scope = await self.with_rollups()
        if isinstance(of, lately.UpToNow) and lately.tells(scope, of, periods):
            seen = await self._once(
                ("seen", lately.events_of(of), periods.end),
                lambda: lately.last_seen(self.store, scope, of, periods),
            )
            return {(0, ""): float(lately.persons(scope, of, periods, seen))}
        if isinstance(of, d.Retention):
            wanted = frozenset({*_RETENTIONS, of})
            found = await self._once(wanted, lambda: days.cohorts(self.store, scope, wanted))
            return days.retention(scope, of, periods, found)
        return await _CALCULATIONS[type(of)](self.store, scope, of, periods)

    async def _sessions(self, periods: Periods) -> SessionNumbers:
        scope = await self.with_rollups()
        return await self._once(
            ("sessions", periods.edges), lambda: session_numbers(self.store, scope, periods)
        )

    async def unconverted(self, periods: Periods) -> Mapping[tuple[int, str, str], float]:
        """By period, value of the dimension and currency: the revenue for which there is no rate.

        Raises:
            StoreError: the store did not answer.
        """
        return money.without_rate(self.scope, await self._takings(periods))

    async def _takings(self, periods: Periods) -> list[money.Taking]:
        return await self._once(("takings", periods.edges), lambda: self._taken(periods))

    async def _taken(self, periods: Periods) -> list[money.Taking]:
        return await money.takings(self.store, await self.with_rollups(), periods)

    async def with_rollups(self) -> Scope:
        """The scope, with the days that are rolled up. Raises StoreError."""
        return await self._once("rolled", lambda: with_rollups(self.store, self.scope))

    async def _once(self, key: Hashable, compute: Callable[[], Awaitable[T]]) -> T:
        if key not in self._asked:
            self._asked[key] = asyncio.ensure_future(compute())
        found: T = await self._asked[key]
        return found


NEVER_NULL: Final = (
    d.Count,
    d.Sum,
    d.Users,
    d.TrailingUsers,
    d.UsersSoFar,
    d.Sessions,
    d.UniquePageViews,
    d.Revenue,
    d.OnlineMembers,
)
"""Definitions whose value is 0 where nothing happened, and grows with what does."""

_RETENTIONS: Final = frozenset(
    metric.definition for metric in CATALOGUE if isinstance(metric.definition, d.Retention)
)

_CALCULATIONS: Final[dict[type[Any], Calculation]] = {
    d.Count: counts.count,
    d.Sum: counts.total,
    d.Mean: counts.mean,
    d.Percentile: counts.percentile,
    d.Users: counts.users,
    d.TrailingUsers: days.trailing_users,
    d.Stickiness: days.stickiness,
    d.UsersSoFar: days.users_so_far,
    d.Lapsed: days.lapsed,
    d.LatestMean: days.latest_mean,
    d.UniquePageViews: unique_page_views,
    d.Followed: followed.followed,
    d.SoldOut: held.sold_out,
    d.Attendance: held.attendance,
    d.OnlineMembers: communities.online_members,
    d.MonthGrowth: growth.month_growth,
    d.HighScores: high_scores,
}
