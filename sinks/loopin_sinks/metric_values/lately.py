"""Users by the day on which they were last seen: so many were active since any day up to now.

From the table ``user_events``, a row a user, and the events of days that are not rolled up. What a row says
is true whatever has been rolled up since; so no versions are told apart.
"""

from __future__ import annotations

from collections.abc import Mapping

from loopin_schemas.metrics.definition import ACTIVE, Events, TrailingUsers, Users, UsersSoFar
from loopin_sinks.metric_values.active import days_of_users, split, stored_late
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import LINKED, PERSON, Query, of_persons
from loopin_sinks.store import Store

LastSeen = Mapping[int, int]
"""Persons by the number of the day that had their last such event before a moment."""

UpToNow = Users | TrailingUsers | UsersSoFar
"""What may be told by the last time of each user."""


def events_of(of: UpToNow) -> Events:
    """The events whose users are counted."""
    return ACTIVE if isinstance(of, TrailingUsers) else of.of


def tells(scope: Scope, of: UpToNow, periods: Periods) -> bool:
    """Whether it is asked of one time that goes on until now, from a day's or all beginning on."""
    if scope.bots or scope.users or scope.where or scope.only or scope.by or events_of(of).where:
        return False
    if len(periods) > 1 or not scope.rolled.days or not days_of_users(scope, events_of(of)):
        return False
    after_all = max(max(scope.rolled.days) + 1, scope.day_of(scope.now))
    whole = not isinstance(of, Users) or scope.midnight(scope.day_of(periods.start)) == periods.start
    return whole and periods.end >= scope.midnight(after_all)


def persons(scope: Scope, of: UpToNow, periods: Periods, seen: LastSeen) -> int:
    """How many of those there are."""
    if isinstance(of, UsersSoFar):
        return sum(seen.values())
    since = scope.day_of(periods.start)
    if isinstance(of, TrailingUsers):
        since = periods.last_day(scope, 0) - of.days + 1
    return sum(number for day, number in seen.items() if day >= since)


async def last_seen(store: Store, scope: Scope, of: UpToNow, periods: Periods) -> LastSeen:
    """When those with such an event before the end of the periods had their last. Raises StoreError."""
    query = Query(scope)
    names = events_of(of).names
    parts = split(scope, days_of_users(scope, events_of(of)), (None, periods.end))
    wanted = query.bind(list(names) or [""], "Array(String)")
    found = f"""
        SELECT user, last AS at FROM user_events
        WHERE {query.of_users()} AND event IN {wanted}
    """
    for span in parts.spans:
        found += f" UNION ALL SELECT user, timestamp AS at FROM {query.events(events_of(of), *span)}"
    if late := stored_late(query, events_of(of), parts.days):
        found += f" UNION ALL SELECT user, timestamp AS at FROM {late}"
    each = f"SELECT user, max(at) AS last FROM ({found}) WHERE %s GROUP BY user"
    whose = f"SELECT last FROM ({each % 'true'})"
    if scope.rolled.linked:
        # What persons are made of is put together for those users alone who need it.
        whose = f"""
            SELECT last FROM ({each % f"NOT {LINKED}"})
            UNION ALL
            SELECT max(found.last) AS last FROM {of_persons(each % LINKED)} GROUP BY {PERSON}
        """
    zone = query.bind(scope.zone_name, "String")
    rows = await query.rows(
        store,
        f"""
        SELECT toInt64(toDate(last, {zone})) AS day, count() AS persons
        FROM ({whose})
        WHERE last < {query.moment(periods.end)} GROUP BY day
        """,
    )
    return {row["day"]: row["persons"] for row in rows}
