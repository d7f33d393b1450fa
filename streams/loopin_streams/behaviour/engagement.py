"""How engaged a user is by the counts that their profile keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from loopin_schemas.habits import ERA_DAYS
from loopin_schemas.scores.engagement import engagement_score

PAGE_VIEWS: Final = "$pageview"
INTERACTIONS: Final = ("content_liked", "content_commented", "content_shared")

_FEW_ERAS: Final = 16
"""What is older weighs nothing."""


def profile_engagement(
    first_day: int, day: int, active_days: Iterable[int], actions: Mapping[str, float]
) -> float:
    """The engagement score, 0 to 1, on a day: by the active days of the last 28, and what is done a day.

    It is ``engagement_score`` of the 28 days up to that day, or of those since the first; of page views and
    likes, comments and shares it takes what fading counts say of so many days. Who was not there on any of
    them did nothing in them, whatever is left of the counts: 0.

    Args:
        first_day: of the user's first event, days since 1970.
        day: the day it is for.
        active_days: on which there was an event, days since 1970.
        actions: events by name, as they weigh on that day.
    """
    days = min(ERA_DAYS, max(day - first_day, 0) + 1)
    there = sum(day - days < active <= day for active in active_days)
    if not there:
        return 0.0
    share = days / weighed_days(first_day, day)
    reactions = sum(actions.get(name, 0.0) for name in INTERACTIONS)
    return engagement_score(there, days, actions.get(PAGE_VIEWS, 0.0) * share, reactions * share)


def weighed_days(first_day: int, day: int) -> float:
    """Days from one to another, both counted, each weighing as the events of its era do; 1 at least."""
    weight, until, total = 1.0, day, 0.0
    for _ in range(_FEW_ERAS):
        since = max(first_day, until // ERA_DAYS * ERA_DAYS)
        if since > until:
            break
        total += weight * (until - since + 1)
        weight, until = weight / 2, since - 1
    return max(total, 1.0)


def left_over(eras: int) -> float:
    """What a count weighs after so many more eras."""
    return 0.5 ** max(eras, 0)
