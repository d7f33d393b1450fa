"""How many events, users or sessions a metric's value is made of: what a rule's ``at_least`` is about."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.high_scores import counted
from loopin_sinks.metric_values.platform_events import shared
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.values import Values

_ADDED_UP: Final = (d.Count, d.Users, d.TrailingUsers, d.UsersSoFar, d.UniquePageViews)
"""Their value is how many there are."""

_OF_EVENTS: Final = (d.Sum, d.Mean, d.Percentile)


async def numbers_of(calculator: Calculator, of: d.Definition, periods: Periods) -> Values:
    """The denominator in each period: of a quotient the whole, of a number itself, of the rest the events.

    Of those who have stopped (churn, drop-out) it is the persons who had not; of those who come back the new
    ones; of platform events, and of who joined them, those that started in the period; of a model's scores
    those who have one now, whatever the period.

    Raises:
        StoreError: the store did not answer.
    """
    if isinstance(of, d.HighScores):
        found = await counted(calculator.store, calculator.scope, of)
        return {(number, ""): float(found.scored) for number in range(len(periods))}
    if isinstance(of, d.Lapsed):
        return await _former(calculator, of, periods)
    if isinstance(of, d.Retention):
        return await _new(calculator, periods)
    if isinstance(of, (d.SoldOut, d.Attendance)):
        return await shared(calculator.store, await calculator.with_rollups(), of, periods)
    return await calculator.values(denominator_of(of), periods)


def denominator_of(of: d.Definition) -> d.Definition:
    """What is counted, as a definition, of what ``numbers_of`` does not ask for otherwise."""
    if isinstance(of, d.Quotient):
        return denominator_of(of.whole)
    if isinstance(of, _ADDED_UP):
        return of
    if isinstance(of, _OF_EVENTS):
        return d.Count(of.of)
    if isinstance(of, (d.Sessions, d.SessionLength)):
        return d.Sessions()
    if isinstance(of, d.Stickiness):
        return d.TrailingUsers(of.days)
    if isinstance(of, d.Followed):
        return d.Users(d.events(of.first))
    if isinstance(of, d.MonthGrowth):
        return denominator_of(of.of)
    if isinstance(of, d.LatestMean):
        return d.UsersSoFar(of.of)
    names = d.event_names(of)
    return d.Count(d.events(*names)) if names else d.Users(d.ACTIVE)


async def _new(calculator: Calculator, periods: Periods) -> Values:
    """Persons first active in each period."""
    before = periods.start - timedelta(days=1)
    ever = await calculator.values(d.UsersSoFar(d.ACTIVE), Periods((before, *periods.edges)))
    return {
        (number - 1, value): persons - ever.get((number - 1, value), 0.0)
        for (number, value), persons in ever.items()
        if number > 0
    }


async def _former(calculator: Calculator, of: d.Lapsed, periods: Periods) -> Values:
    scope: Scope = calculator.scope
    found: Values = {}
    for number in range(len(periods)):
        last = periods.last_day(scope, number)
        edges = scope.midnight(last - of.before + 1), scope.midnight(last - of.recent + 1)
        if edges[1] - edges[0] < timedelta(days=1):
            continue
        persons = await calculator.values(d.Users(of.of), Periods(edges))
        found |= {(number, value): count for (_, value), count in persons.items()}
    return found
