"""Weeks of platform events, to learn from and to judge by."""

from __future__ import annotations

from collections.abc import Iterator

from loopin_sinks.recommendations.checks import Checks
from loopin_sinks.recommendations.event_signals import near_hosts_of, signals
from loopin_sinks.recommendations.history import Demand, History, only
from loopin_sinks.recommendations.learn import WEEK_MS, Week, parts
from loopin_sinks.recommendations.platform_events import PlatformEvents


def event_week(
    events: PlatformEvents, history: History, demand: Demand, checks: Checks, at: int
) -> Iterator[Week]:
    """What was open at a time, and what of it was joined in the week after it, by users who joined any.

    Args:
        events: all that users may have dealt with.
        history: theirs.
        demand: everybody's.
        checks: whom the communities of events refused, by their numbers in ``events.community_names``.
        at: the time, epoch ms.
    """
    gates, communities = events.communities, len(events.community_names)
    # What is made later moves no class of prices and no taste.
    events = events.created_by(at)
    history = history.first_items(len(events))
    candidates = events.open_at(at)
    columns, number = only(candidates, len(events)), len(candidates)
    near_hosts = near_hosts_of(events, history, at)
    wanted = demand.before(at, len(events))
    users = len(history.users)
    takers = history.within(at, at + WEEK_MS).takers(columns)
    for rows in parts(takers, number):
        of = history.of(rows)
        refused, _ = checks.of(rows, users).table(of, communities, at)
        after = of.within(at, at + WEEK_MS).table(columns, number, taken=True)
        news = of.before(at).table(columns, number, taken=True) == 0
        news &= ~events.hosted_by(of.users, candidates) & ~refused[:, gates[candidates]]
        yield Week(
            items=candidates,
            signals=signals(events, of, wanted, candidates, at, near_hosts[rows]),
            allowed=news,
            taken=(after > 0) & news,
            popular=wanted.takes[candidates],
        )
