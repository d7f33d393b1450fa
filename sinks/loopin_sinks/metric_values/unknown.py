"""Periods of which nobody can tell any more what a metric came to, for want of events and rollups."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_values import lately
from loopin_sinks.metric_values.active import is_kept
from loopin_sinks.metric_values.additive import told_days
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.rollups.measures import Additive

_MOMENT = timedelta(milliseconds=1)


def without_events(scope: Scope, of: d.Definition, periods: Periods) -> Collection[int]:
    """The days that are told without their events."""
    if isinstance(of, Additive):
        return told_days(scope, of).keys()
    if isinstance(of, d.MonthGrowth) and not isinstance(of.of, d.Users):
        return told_days(scope, of.of).keys()
    if isinstance(of, (d.Sessions, d.SessionLength)):
        # Those of persons with several ids are made of the events.
        return () if scope.rolled.linked or scope.where or scope.bots or scope.by else scope.rolled.sessions
    if isinstance(of, (d.Users, d.Lapsed)) and of.of != d.ACTIVE:
        lasting = isinstance(of, d.Users) and lately.tells(scope, of, periods)
        return scope.rolled.days if lasting else ()
    if isinstance(of, (d.Users, d.TrailingUsers, d.Stickiness, d.Retention, d.Lapsed)):
        return scope.rolled.days if is_kept(scope) else ()
    return ()


def unknown(scope: Scope, of: d.Definition, periods: Periods, covered_day: int) -> set[int]:
    """Positions of the periods of which some day is told neither by events nor by rollups.

    ``covered_day`` is the first day whose events are all there, where older ones have been removed.
    """
    if isinstance(of, d.UsersSoFar):
        return set()
    told = without_events(scope, of, periods)
    found = set()
    for number, (start, end) in enumerate(zip(periods.edges, periods.edges[1:], strict=False)):
        first, last = scope.day_of(start), scope.day_of(end - _MOMENT)
        gone = range(first, min(last + 1, covered_day))
        cut = {first} if start != scope.midnight(first) else set()
        cut |= {last} if end != scope.midnight(last + 1) else set()
        if any(day not in told or day in cut for day in gone):
            found.add(number)
    return found
