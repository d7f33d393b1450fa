"""How much a user makes of the product."""

from __future__ import annotations

from typing import Final, Literal

EngagementLevel = Literal["low", "medium", "high", "very_high"]
ActivityLevel = Literal["inactive", "low", "medium", "high"]

PAGE_VIEWS_A_DAY: Final = 2.0
REACTIONS_A_DAY: Final = 0.5
"""What a middling user comes to who is there every other day, looks at four pages then, and reacts once: half
a part each. Beyond, a part nears 1 without reaching it, so that no haste makes up for staying away."""

WEIGHTS: Final = {"presence": 0.5, "reactions": 0.3, "page_views": 0.2}
"""Sum 1. Coming back is what the others follow from; a like, comment or share is more than a look."""

LEVELS: Final[tuple[tuple[float, EngagementLevel], ...]] = (
    (0.75, "very_high"),
    (0.5, "high"),
    (0.25, "medium"),
)
"""Quarters of the scale: high is better than the middling user."""

ACTIVE_SHARES: Final[tuple[tuple[float, ActivityLevel], ...]] = ((3 / 7, "high"), (1 / 7, "medium"))
"""Three days a week, and one."""


def engagement_score(active_days: int, days: int, page_views: float, interactions: float) -> float:
    """From 0 (away) to 1.

    ::

        0.5 * active_days / days + 0.3 * r / (r + 0.5) + 0.2 * p / (p + 2)

    with the reactions r and page views p a day, both by all ``days``.

    - Away for 30 days: 0.
    - 15 of 30 days, 60 page views, 15 reactions: 0.25 + 0.15 + 0.1 = 0.5.
    - 1 of 30 days, 30 page views, nothing else: 0.5 / 30 + 0.2 / 3 = 0.0833.

    Args:
        active_days: days with an event, at most ``days``.
        days: how long the user could be there, from 1 on.
        page_views: count.
        interactions: likes, comments and shares, count.
    """
    reactions, views = interactions / days, page_views / days
    return (
        WEIGHTS["presence"] * active_days / days
        + WEIGHTS["reactions"] * reactions / (reactions + REACTIONS_A_DAY)
        + WEIGHTS["page_views"] * views / (views + PAGE_VIEWS_A_DAY)
    )


def engagement_level(score: float) -> EngagementLevel:
    """very_high from 0.75 on, high from 0.5 on, medium from 0.25 on, else low."""
    return next((level for least, level in LEVELS if score >= least), "low")


def activity_level(active_days: int, days: int) -> ActivityLevel:
    """By how often a user is there: high on three days a week or more, medium on one, else low; 0: inactive.

    Of 30 days 13 are high, 5 medium, 4 low.
    """
    if not active_days:
        return "inactive"
    return next((level for least, level in ACTIVE_SHARES if active_days / days >= least), "low")
