"""Whether a community is busy at the moment, for what it usually is."""

from __future__ import annotations

from typing import Final, Literal

CurrentActivity = Literal["low", "medium", "high"]

LEAST: Final = 3
"""Fewer members at once are company, not a busy community, however quiet it usually is."""


def current_activity(online_members: int, week_peak: int) -> CurrentActivity:
    """How many are online (within 5 minutes), against the most at once within a week, now included.

    ``high`` from two thirds of the week's peak on, ``medium`` from one third on, else ``low``; ``low``, too,
    with fewer than 3 online. Thirds, because there are three levels; a week, because it holds both the busy
    weekday and the quiet one; the peak, because a mean over the night would call every day busy.

    0 of 0: low. 45 of 67: high (0.672). 30 of 67: medium (0.448).
    """
    if online_members < LEAST or 3 * online_members < week_peak:
        return "low"
    return "medium" if 3 * online_members < 2 * week_peak else "high"
