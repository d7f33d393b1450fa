"""What speaks for a platform event to a user."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from loopin_sinks.recommendations.history import History, Wanted, only
from loopin_sinks.recommendations.neighbours import near
from loopin_sinks.recommendations.platform_events import Floats, Ints, PlatformEvents
from loopin_sinks.recommendations.ranker import Ranker, by_hand

SIGNALS: Final = (
    "place",
    "category",
    "price",
    "host",
    "looked_at",
    "popular",
    "convincing",
    "lasting",
    "seats",
    "neighbours",
)
"""In order: held where the user is; log of how much more the user cares for its category and price class than
users do; log(1 + the user's joins at the host's); whether the user looked at it; log(1 + who has joined);
log of how many of those who looked; share of the next week in which it is still open; share of its seats
that are free; how much the hosts whom the user went to speak for its host, by their guests."""

BY_HAND: Final = by_hand(SIGNALS, (2.0, 0.7, 0.3, 0.5, 0.7, 0.5, 0.3, 0.5, 0.3, 0.5), -5.0)

JOINED_COUNTS: Final = 3.0
"""Looks that joining says as much about a taste as."""

TASTE_BEFORE: Final = 5.0
"""Looks of the average user that are added to a user's own: of whom little is known, little is said."""

LOOKS_BEFORE: Final = 5.0
WEEK_MS: Final = 7 * 86_400_000


def signals(
    events: PlatformEvents, history: History, wanted: Wanted, candidates: Ints, at: int, near_hosts: Any
) -> Floats:
    """(users, candidates, signals), by what had happened at a time.

    Args:
        events: all that users may have dealt with.
        history: theirs.
        wanted: by how many people each was wanted then.
        candidates: numbers of those to judge.
        at: the time, epoch ms.
        near_hosts: how much the hosts whom each user went to speak for each host, (users, hosts); or sparse.
    """
    known = history.before(at)
    looked = known.table(only(candidates, len(events)), len(candidates), taken=False)
    looks, takes = wanted
    # Of these only: a table of many users and all hosts would be large.
    hosts, host = np.unique(events.hosts[candidates], return_inverse=True)
    columns = only(hosts, len(events.host_names))[events.hosts]
    at_hosts = known.table(columns, len(hosts), taken=True)
    shape = (len(history.users), len(candidates))
    city = {name: number for number, name in enumerate(events.city_names) if name}
    places = np.array([city.get(place, -1) for place in history.places_at(at)])[:, None]
    rate = (takes + LOOKS_BEFORE * takes.sum() / max(looks.sum(), 1.0)) / (looks + LOOKS_BEFORE)
    found = [
        places == events.cities[candidates],
        _taste(known, looks, takes, events.categories)[:, events.categories[candidates]],
        _taste(known, looks, takes, events.prices)[:, events.prices[candidates]],
        np.log1p(at_hosts[:, host]),
        looked > 0,
        np.broadcast_to(np.log1p(takes[candidates]), shape),
        np.broadcast_to(np.log(rate[candidates].clip(min=1e-3)), shape),
        np.broadcast_to(((events.starts[candidates] - at) / WEEK_MS).clip(0, 1), shape),
        np.broadcast_to(_seats(events.capacities[candidates], takes[candidates]), shape),
        _dense(near_hosts[:, hosts])[:, host],
    ]
    return np.stack([np.asarray(each, dtype=np.float64) for each in found], axis=2)


def joins_by_host(events: PlatformEvents, history: History, at: int) -> Floats:
    """How often each user had joined an event of each host by a time, (users, hosts)."""
    return history.before(at).table(events.hosts, len(events.host_names), taken=True)


def host_counts(events: PlatformEvents, history: History, at: int) -> Any:
    """The same of many users, sparse."""
    return history.before(at).counts(events.hosts, len(events.host_names), taken=True)


def near_hosts_of(events: PlatformEvents, history: History, at: int) -> Any:
    """How much the hosts whom each user went to speak for each host, by where their guests went; sparse."""
    return near(host_counts(events, history, at))


def ranker_or_by_hand(found: Ranker | None) -> Ranker:
    """The one that was learned, if it knows these signals."""
    return found if found is not None and found.signals == SIGNALS else BY_HAND


def _dense(table: Any) -> Floats:
    found: Floats = table.toarray() if hasattr(table, "toarray") else table
    return found


def _taste(known: History, looks: Floats, takes: Floats, groups: Ints) -> Floats:
    """Log of how much more each user cares for each group of items than users do, (users, groups)."""
    number = int(groups.max(initial=0)) + 1
    whole = 1 + np.bincount(groups, looks + JOINED_COUNTS * takes, minlength=number)
    shares = whole / whole.sum()
    own = known.table(groups, number, taken=False) + JOINED_COUNTS * known.table(groups, number, taken=True)
    return np.asarray(
        np.log((own + TASTE_BEFORE * shares) / (own.sum(axis=1, keepdims=True) + TASTE_BEFORE) / shares)
    )


def _seats(capacity: Floats, taken: Floats) -> Floats:
    """Share that is free; 1 where nobody says how many there are."""
    return np.asarray(np.where(capacity > 0, 1 - taken / np.where(capacity > 0, capacity, 1), 1).clip(0, 1))
