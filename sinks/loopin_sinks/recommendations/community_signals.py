"""What speaks for a community to a user who is no member of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from loopin_sinks.recommendations.checks import Checks
from loopin_sinks.recommendations.history import Demand, History, Wanted
from loopin_sinks.recommendations.learn import WEEK_MS, Week, parts
from loopin_sinks.recommendations.neighbours import near
from loopin_sinks.recommendations.platform_events import Bools, Floats, Ints
from loopin_sinks.recommendations.ranker import Ranker, by_hand

SIGNALS: Final = ("looked_at", "lately", "popular", "admitted", "neighbours")
"""In order: log(1 + days on which the user looked into it), and those of the last 30 days;
log(1 + its members); whether it has let in somebody from where the user is; how much the user's communities
speak for it, by whom they share."""

BY_HAND: Final = by_hand(SIGNALS, (1.0, 1.0, 0.4, 0.2, 1.0), -4.0)

LATELY_MS: Final = 30 * 86_400_000


def signals(
    communities: int, history: History, wanted: Wanted, admitted: Bools, at: int, near_own: Floats
) -> Floats:
    """(users, communities, signals), by what had happened at a time.

    Args:
        communities: how many there are.
        history: users' dealings with them.
        wanted: by how many people each was wanted then; who takes it is a member.
        admitted: whose place each is known to let in, (users, communities).
        at: the time, epoch ms.
        near_own: how much the user's own communities speak for each, (users, communities).
    """
    every = np.arange(communities)
    looked = history.before(at).table(every, communities, taken=False)
    lately = history.within(at - LATELY_MS, at).table(every, communities, taken=False)
    members = np.log1p(wanted.takes)
    found = [
        np.log1p(looked),
        np.log1p(lately),
        np.broadcast_to(members, looked.shape),
        admitted.astype(np.float64),
        near_own,
    ]
    return np.stack(found, axis=2)


def counts(communities: int, history: History) -> Any:
    """How often each user dealt with each, (users, communities), sparse."""
    every = np.arange(communities)
    return history.counts(every, communities, taken=False) + history.counts(every, communities, taken=True)


def community_week(
    communities: int, history: History, demand: Demand, checks: Checks, at: int
) -> Iterator[Week]:
    """What could be joined at a time, and what was joined or looked into after it, by users who did any."""
    every: Ints = np.arange(communities)
    near_own = near(counts(communities, history.before(at)))
    wanted, known = demand.before(at, communities), demand.known(at, communities)
    users = len(history.users)
    takers = np.unique(history.within(at, at + WEEK_MS).user)
    for rows in parts(takers, communities):
        of = history.of(rows)
        refused, admitted = checks.of(rows, users).table(of, communities, at)
        member = of.before(at).table(every, communities, taken=True) > 0
        dealt = counts(communities, of.within(at, at + WEEK_MS)).toarray() > 0
        yield Week(
            items=every,
            signals=signals(communities, of, wanted, admitted, at, near_own[rows].toarray()),
            allowed=~member & ~refused & known,
            taken=dealt & ~member,
            popular=wanted.takes,
        )


def ranker_or_by_hand(found: Ranker | None) -> Ranker:
    """The one that was learned, if it knows these signals."""
    return found if found is not None and found.signals == SIGNALS else BY_HAND
