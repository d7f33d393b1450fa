"""Weeks of platform events, to learn from and to judge by."""

from __future__ import annotations

import numpy as np

from loopin_sinks.recommendations.event_signals import near_hosts_of, signals
from loopin_sinks.recommendations.history import Demand, History, only
from loopin_sinks.recommendations.learn import WEEK_MS, Week
from loopin_sinks.recommendations.platform_events import PlatformEvents


def event_week(events: PlatformEvents, history: History, demand: Demand, at: int) -> Week:
    """What was open at a time, and what of it was joined in the week after it, by users who joined any."""
    # What is made later moves no class of prices and no taste.
    events = events.created_by(at)
    history = history.first_items(len(events))
    candidates = events.open_at(at)
    columns, number = only(candidates, len(events)), len(candidates)
    near_hosts = near_hosts_of(events, history, at)
    takers = np.flatnonzero(history.within(at, at + WEEK_MS).table(columns, number, taken=True).any(axis=1))
    of = history.of(takers)
    after = of.within(at, at + WEEK_MS).table(columns, number, taken=True)
    news = of.before(at).table(columns, number, taken=True) == 0
    news &= ~events.hosted_by(of.users)[:, candidates]
    return Week(
        items=candidates,
        signals=signals(events, of, demand, candidates, at, near_hosts[takers]),
        allowed=news,
        taken=(after > 0) & news,
        popular=demand.before(at, len(events))[1][candidates],
    )
