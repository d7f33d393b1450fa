"""What people turn to just now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import exp2
from typing import Final

HALF_LIFE_H: Final = 24.0
"""After so many hours an act weighs half: a day, so that the same hour of yesterday still counts, and a week
ago next to nothing (2 to the power of -7, under 1 %)."""

WEIGHTS: Final[Mapping[str, float]] = {
    "content_viewed": 1.0,
    "content_liked": 3.0,
    "content_commented": 5.0,
    "content_shared": 8.0,
}
"""By event. The rarer and dearer an act is to its user, the more it says; a share brings others, too."""

MIDDLING: Final = 50.0
"""The heat that makes a score of a half: fifty people who have just looked."""


def decayed(weight: float, age_h: float) -> float:
    """What an act of this weight is still worth after so many hours: ``weight * 2 ** (-age_h / 24)``."""
    return weight * exp2(-age_h / HALF_LIFE_H)


def heat(acts: Iterable[tuple[str, float]]) -> float:
    """Sum of the acts' worth; an act is an event's name and its age in hours, from 0 on.

    Of one person's events of one name only the latest is an act: reloading a page makes nothing trend.
    """
    return sum(decayed(WEIGHTS.get(name, 0.0), age_h) for name, age_h in acts)


def trending_score(heat: float) -> float:
    """From 0 (nobody) up to 1 (never reached): ``heat / (heat + 50)``, with the heat of ``heat``, from 0 on.

    - Nobody came: 0.
    - 50 persons looked just now: heat 50, score 0.5. A day later: heat 25, score 1/3.
    - 10 looked (10), 4 liked (12) and 1 shared it (8), all a day ago: heat 15, score 15 / 65 = 0.231.
    """
    return heat / (heat + MIDDLING)
