"""What speaks for a community to a user who is no member of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from loopin_sinks.recommendations.history import Demand, History
from loopin_sinks.recommendations.learn import WEEK_MS, Week
from loopin_sinks.recommendations.neighbours import near
from loopin_sinks.recommendations.platform_events import Bools, Floats, Ints
from loopin_sinks.recommendations.ranker import Ranker, by_hand

SIGNALS: Final = ("looked_at", "lately", "popular", "admitted", "neighbours")
"""In order: log(1 + days on which the user looked into it, or took part), and those of the last 30 days;
log(1 + its members); whether it has let in somebody from where the user is; how much the user's communities
speak for it, by whom they share."""

BY_HAND: Final = by_hand(SIGNALS, (1.0, 1.0, 0.4, 0.2, 1.0), -4.0)

LATELY_MS: Final = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Barriers:
    """Whom communities refuse by place (``geo_access_checked``).

    Attributes:
        users: by (user, community), whether the last check refused the user.
        places: by (city, community), whether all checks from there were refused.
    """

    users: Mapping[tuple[str, str], bool]
    places: Mapping[tuple[str, str], bool]

    def table(self, history: History, communities: Sequence[str]) -> tuple[Bools, Bools]:
        """Whom each refuses, and whose place it is known to let in, (users, communities) each."""
        column = {community: at for at, community in enumerate(communities)}
        shape = (len(history.users), len(communities))
        refused, admitted = np.zeros(shape, dtype=np.bool_), np.zeros(shape, dtype=np.bool_)
        places = np.array(history.places, dtype=object)
        for (place, community), refuses in self.places.items():
            if place and community in column:
                (refused if refuses else admitted)[places == place, column[community]] = True
        row = {user: at for at, user in enumerate(history.users)}
        for (user, community), refuses in self.users.items():
            if user in row and community in column:
                refused[row[user], column[community]] = refuses
        return refused, admitted


def signals(
    communities: int, history: History, demand: Demand, admitted: Bools, at: int, near_own: Floats
) -> Floats:
    """(users, communities, signals), by what had happened at a time.

    Args:
        communities: how many there are.
        history: users' dealings with them.
        demand: everybody's; takes are joins.
        admitted: whose place each is known to let in, (users, communities).
        at: the time, epoch ms.
        near_own: how much the user's own communities speak for each, (users, communities).
    """
    every = np.arange(communities)
    looked = history.before(at).table(every, communities, taken=False)
    lately = history.within(at - LATELY_MS, at).table(every, communities, taken=False)
    members = np.log1p(demand.before(at, communities)[1])
    found = [
        np.log1p(looked),
        np.log1p(lately),
        np.broadcast_to(members, looked.shape),
        admitted.astype(np.float64),
        near_own,
    ]
    return np.stack(found, axis=2)


def own(communities: int, history: History, at: int) -> Floats:
    """Which communities each user had joined or looked into by a time, (users, communities)."""
    return _dealings(communities, history.before(at))


def _dealings(communities: int, history: History) -> Floats:
    """How often each user took or looked at each, (users, communities)."""
    every = np.arange(communities)
    return history.table(every, communities, taken=False) + history.table(every, communities, taken=True)


def community_week(
    communities: Sequence[str], history: History, demand: Demand, barriers: Barriers, at: int
) -> Week:
    """What could be joined at a time, and what was joined or looked into after it, by users who did any."""
    number = len(communities)
    every: Ints = np.arange(number)
    near_own = near(own(number, history, at))
    dealt = _dealings(number, history.within(at, at + WEEK_MS))
    takers = np.flatnonzero(dealt.any(axis=1))
    of = history.of(takers)
    refused, admitted = barriers.table(of, communities)
    member = of.before(at).table(every, number, taken=True) > 0
    return Week(
        items=every,
        signals=signals(number, of, demand, admitted, at, near_own[takers]),
        allowed=~member & ~refused,
        taken=(dealt[takers] > 0) & ~member,
        popular=demand.before(at, number)[1],
    )


def ranker_or_by_hand(found: Ranker | None) -> Ranker:
    """The one that was learned, if it knows these signals."""
    return found if found is not None and found.signals == SIGNALS else BY_HAND
