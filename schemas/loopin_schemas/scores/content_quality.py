"""How good a piece of content is for those who come to it."""

from __future__ import annotations

from typing import Final

NEUTRAL: Final = 0.5
"""The part of what is not known, and the score of a piece that hardly anybody has seen."""

VIEWS: Final = 20
"""So many views weigh as much as knowing nothing: with fewer, one user's like would make a masterpiece."""

ENGAGEMENT: Final = 0.1
ATTENTION_S: Final = 60.0
CLICKS: Final = 0.05
"""What a middling piece has (one interaction in ten views, a minute's reading, one click in twenty results
shown): its part is then a half. Beyond, a part nears 1 without reaching it, so that no value is too good."""

WEIGHTS: Final = {"engagement": 0.35, "attention": 0.3, "stay": 0.2, "appeal": 0.15}
"""Sum 1. What users do on purpose says most; whether a result was clicked says more of its title."""


def content_quality(
    views: int,
    *,
    engagement_rate: float | None = None,
    time_on_page: float | None = None,
    bounce_rate: float | None = None,
    click_through_rate: float | None = None,
) -> float | None:
    """From 0 (poor) to 1 (excellent); None without views.

    ::

        parts = 0.35 * e / (e + 0.1) + 0.30 * t / (t + 60) + 0.20 * (1 - b) + 0.15 * c / (c + 0.05)
        score = 0.5 + (parts - 0.5) * views / (views + 20)

    with the engagement rate e, time on page t, bounce rate b, and click-through rate c; of a rate that is
    None the fraction is 0.5.

    - Middling in all (0.1, 60 s, 0.5, 0.05): 0.5, however many views.
    - 180 views, 0.3, 180 s, 0.2, 0.05: the parts are 0.7225, the score 0.5 + 0.2225 * 0.9 = 0.70025.
    - 5 views, nobody reacts, and all else unknown: parts 0.325, score 0.5 - 0.175 * 0.2 = 0.465.

    Args:
        views: how often it was seen.
        engagement_rate: likes, comments and shares / views, from 0 on.
        time_on_page: mean seconds, from 0 on.
        bounce_rate: ratio 0 to 1.
        click_through_rate: clicks / appearances in searches, from 0 on.
    """
    if not views:
        return None
    parts = (
        WEIGHTS["engagement"] * _saturating(engagement_rate, ENGAGEMENT)
        + WEIGHTS["attention"] * _saturating(time_on_page, ATTENTION_S)
        + WEIGHTS["stay"] * (NEUTRAL if bounce_rate is None else 1 - bounce_rate)
        + WEIGHTS["appeal"] * _saturating(click_through_rate, CLICKS)
    )
    return NEUTRAL + (parts - NEUTRAL) * views / (views + VIEWS)


def _saturating(value: float | None, middling: float) -> float:
    return NEUTRAL if value is None else value / (value + middling)
