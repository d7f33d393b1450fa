"""Weeks of platform events, to learn from and to judge by."""

from __future__ import annotations

from loopin_sinks.recommendations.event_signals import near_hosts_of, signals
from loopin_sinks.recommendations.history import Demand, History
from loopin_sinks.recommendations.learn import WEEK_MS, Week
from loopin_sinks.recommendations.platform_events import PlatformEvents


def event_week(events: PlatformEvents, history: History, demand: Demand, at: int) -> Week:
    """What was open at a time, and what of it was joined in the week after it."""
    candidates = events.open_at(at)
    after = history.within(at, at + WEEK_MS).table(len(events), taken=True)[:, candidates]
    before = history.before(at).table(len(events), taken=True)[:, candidates]
    return Week(
        items=candidates,
        signals=signals(events, history, demand, candidates, at, near_hosts_of(events, history, at)),
        allowed=before == 0,
        taken=(after > 0) & (before == 0),
        popular=demand.before(at, len(events))[1][candidates],
    )
