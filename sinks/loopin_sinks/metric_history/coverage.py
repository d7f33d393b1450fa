"""For which time a project's events are all still there, and how far back a metric looks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_history.stored import METRIC_VALUES
from loopin_sinks.metric_values.scope import EPOCH, Scope
from loopin_sinks.store import Store
from loopin_streams.state.sessions import LONGEST_MS

LONGEST_UNRIPE: Final = timedelta(days=90)
"""Whoever comes back later than so long after a period changes nothing that was judged."""

_TWO_MONTHS: Final = 61

# The table's order tells the first day at once, but within a day it is another one than that of time.
_OLDEST: Final = """
SELECT min(timestamp) AS at, argMin(_retention_days, timestamp) AS kept, count() AS events
FROM events WHERE project = {project:String} AND toDate(timestamp) = (
    SELECT toDate(timestamp) FROM events WHERE project = {project:String}
    ORDER BY project, toDate(timestamp) LIMIT 1
)
"""

# Weeks and months may begin before the first event ever.
_KEPT_SINCE: Final = f"""
SELECT min(start) AS start, zone = {{zone:String}} OR {{as_set:Bool}} AND zone = '' AS own
FROM {METRIC_VALUES} WHERE project = {{project:String}} AND grain IN ('hour', 'day') GROUP BY own
"""

_DAY: Final = timedelta(hours=25)
"""The longest that there is."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """From which midnight on all events of a project are there; ``expired`` where there were older ones."""

    start: datetime
    expired: bool


class Oldest(NamedTuple):
    """A project's first event that is still there: when it happened, and for how many days it is kept."""

    at: datetime
    kept: int


async def oldest_event(store: Store, project: str) -> Oldest | None:
    """The first event that is still there; None where there is none. Raises StoreError."""
    [row] = await store.query(_OLDEST, {"project": project})
    return Oldest(row["at"], row["kept"]) if row["events"] else None


async def coverage(store: Store, scope: Scope) -> Coverage | None:
    """What the oldest event tells; None where there is no event.

    A day is whole while its first moment has not outlived the days that the event is kept. That there were
    older events is seen by their values, too: where nothing happened on the last day that is whole, the
    oldest event does not tell.

    Raises:
        StoreError: the store did not answer.
    """
    event = await oldest_event(store, scope.project)
    if event is None:
        return None
    oldest = scope.day_of(event.at)
    whole = scope.day_of(scope.now) - event.kept + 1
    bound = {"project": scope.project, "zone": scope.zone_name, "as_set": scope.as_set}
    # Another zone's day of the oldest event may have begun on the day before.
    kept = [
        row["start"] + (timedelta() if row["own"] else _DAY) for row in await store.query(_KEPT_SINCE, bound)
    ]
    if oldest <= whole or any(scope.day_of(start) < oldest for start in kept):
        return Coverage(scope.midnight(whole), expired=True)
    return Coverage(scope.midnight(oldest), expired=False)


def lookback_days(of: d.Definition) -> int | None:
    """How many days before a period its value depends on; None for all that ever was."""
    match of:
        case d.Quotient():
            both = [lookback_days(of.part), lookback_days(of.whole)]
            known = [days for days in both if days is not None]
            return max(known) if len(known) == len(both) else None
        case d.TrailingUsers() | d.Stickiness():
            return of.days - 1
        case d.Lapsed():
            return of.before - 1
        case d.MonthGrowth():
            return _TWO_MONTHS
        case d.UsersSoFar() | d.LatestMean() | d.Retention() | d.SoldOut() | d.Attendance():
            # A platform event is created, and joined, at any time before it starts.
            return None
        case d.Sessions() | d.SessionLength() | d.OnlineMembers():
            return 1
    return 0


def covered_from(covered: Coverage, of: d.Definition, scope: Scope) -> datetime | None:
    """The first midnight from which on a metric's values come out as they did when its events were new.

    None where that is no more: it depends on all that ever was, and some of that is gone.
    """
    if not covered.expired:
        return covered.start
    days = lookback_days(of)
    if days is None:
        return None
    return scope.midnight((covered.start.astimezone(scope.zone).date() - EPOCH).days + days)


def ripe_after(of: d.Definition) -> timedelta:
    """How long after a period's end its value is known: users come back, and sessions go on."""
    match of:
        case d.Quotient():
            return max(ripe_after(of.part), ripe_after(of.whole))
        case d.Retention() | d.Followed():
            return timedelta(days=of.days)
        case d.Sessions() | d.SessionLength():
            return timedelta(milliseconds=LONGEST_MS)
        case d.SoldOut() | d.Attendance():
            # Who was there is often told afterwards.
            return timedelta(days=1)
    return timedelta()


def is_open(of: d.Definition) -> bool:
    """Whether what is told of a platform event later on counts for the period in which it started."""
    if isinstance(of, d.Quotient):
        return is_open(of.part) or is_open(of.whole)
    return isinstance(of, d.SoldOut | d.Attendance)


def known_after(of: d.Definition) -> timedelta:
    """How long after a period's end it can be judged: as ``ripe_after``, at most ``LONGEST_UNRIPE``."""
    return min(ripe_after(of), LONGEST_UNRIPE)
