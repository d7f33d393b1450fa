"""The value of any metric, from the stored events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_values import communities, counts, days, followed, growth, money, sessions
from loopin_sinks.metric_values import platform_events as held
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.values import Values, quotient
from loopin_sinks.store import Store

Calculation = Callable[[Store, Scope, Any, Periods], Awaitable[Values]]


async def values_of(store: Store, scope: Scope, of: d.Definition, periods: Periods) -> Values:
    """What a definition comes to in each period, by value of the scope's dimension; what is missing is null.

    Counts and sums without a dimension are 0 where nothing happened.

    Raises:
        StoreError: the store did not answer.
    """
    found = await _CALCULATIONS[type(of)](store, scope, of, periods)
    if scope.by is None and isinstance(of, _NEVER_NULL):
        return {(number, ""): found.get((number, ""), 0.0) for number in range(len(periods))}
    return found


async def _quotient(store: Store, scope: Scope, of: d.Quotient, periods: Periods) -> Values:
    part, whole = await asyncio.gather(
        values_of(store, scope, of.part, periods), values_of(store, scope, of.whole, periods)
    )
    return quotient(part, whole)


async def _scores(store: Store, scope: Scope, of: d.HighScores, periods: Periods) -> Values:
    """Nobody has a score as long as no model gives any."""
    return {}


_NEVER_NULL: Final = (
    d.Count,
    d.Users,
    d.TrailingUsers,
    d.UsersSoFar,
    d.Sessions,
    d.UniquePageViews,
    d.Revenue,
    d.OnlineMembers,
)

_CALCULATIONS: Final[dict[type[Any], Calculation]] = {
    d.Count: counts.count,
    d.Mean: counts.mean,
    d.Percentile: counts.percentile,
    d.Users: counts.users,
    d.TrailingUsers: days.trailing_users,
    d.Stickiness: days.stickiness,
    d.UsersSoFar: days.users_so_far,
    d.Retention: days.retention,
    d.Lapsed: days.lapsed,
    d.LatestMean: days.latest_mean,
    d.Sessions: sessions.sessions,
    d.SessionLength: sessions.session_length,
    d.UniquePageViews: sessions.unique_page_views,
    d.Followed: followed.followed,
    d.Revenue: money.revenue,
    d.SoldOut: held.sold_out,
    d.Attendance: held.attendance,
    d.OnlineMembers: communities.online_members,
    d.MonthGrowth: growth.month_growth,
    d.HighScores: _scores,
    d.Quotient: _quotient,
}
