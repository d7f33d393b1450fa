"""What users have done, counted: all that personas are found by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

DAYS: Final = 90
"""So many days before now are looked at, as long as events are kept by default."""

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "events": ("event_viewed", "event_join_requested", "event_joined", "ticket_purchased"),
    "content": (
        "content_viewed",
        "content_liked",
        "content_commented",
        "content_shared",
        "content_created",
    ),
    "search": ("search_performed", "search_result_clicked"),
    "social": ("message_sent", "user_followed", "user_unfollowed"),
    "communities": ("community_viewed", "community_joined", "community_left", "community_activity"),
    "recommendations": ("recommendation_shown", "recommendation_clicked"),
    "hosting": ("event_created",),
    "attendance": ("event_attended",),
    "joining": ("event_joined",),
    "buying": ("ticket_purchased",),
    "sharing": ("content_shared",),
}
"""Events that are counted together: the first six are what a visit is spent on, the others told beside it."""

SPENT_ON: Final = tuple(GROUPS)[:6]
"""Groups whose shares of a user's actions are compared."""

BY_HAND: Final = tuple(
    sorted({"$pageview", *(name for group in SPENT_ON for name in GROUPS[group])} - {"content_created"})
)
"""Events whose hour is one in which the user was there; what is published by others' clocks is left out."""


@dataclass(frozen=True, slots=True)
class Activity:
    """Users in rows.

    Attributes:
        users: the distinct_id that names each person.
        events: all events of each, (users,).
        counts: their events by group, in the order of ``GROUPS``, (users, groups).
        hours: distinct hours in which each was there, by hour of the day in UTC, (users, 24).
        places: where each mostly was, such as ``IN/Mumbai``; ``''`` where nobody knows.
    """

    users: tuple[str, ...]
    events: Matrix
    counts: Matrix
    hours: Matrix
    places: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.users)

    def count(self, group: str) -> Matrix:
        """Events of one group, (users,)."""
        return np.asarray(self.counts[:, tuple(GROUPS).index(group)], dtype=np.float64)


def activity_of(rows: list[tuple[Any, ...]]) -> Activity:
    """From rows of (user, events, counts by group, hours of the day, place)."""
    return Activity(
        users=tuple(row[0] for row in rows),
        events=np.array([row[1] for row in rows], dtype=np.float64),
        counts=np.array([row[2] for row in rows], dtype=np.float64).reshape(len(rows), len(GROUPS)),
        hours=np.array([row[3] for row in rows], dtype=np.float64).reshape(len(rows), 24),
        places=tuple(row[4] for row in rows),
    )
