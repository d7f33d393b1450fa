"""What is wrong with the models, as numbers: for alerts and for Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from loopin_schemas.model import Standing
from loopin_streams.learning.models import Models, Of

RISEN_FOR_MS: Final = 7 * 86_400_000
"""A rise of the errors is told of for so long: by then the candidates have been fitted anew."""

LEAST_FOR_SHIFT: Final = 1_000
"""Examples below which scores differ by chance: of so many, the index is 0.05 on average where nothing has
changed (Yurdakul, 2018)."""


def degraded(models: Models, pinned: Mapping[Of, int], now_ms: int) -> int:
    """Targets that answer less well than they did, but for those where a person has decided who answers."""
    standings = list(models.standings.items())
    return sum(is_degraded(standing, now_ms) for of, standing in standings if of not in pinned)


def is_degraded(standing: Standing, now_ms: int) -> bool:
    """Whether a target fell back, or its model's errors have risen lately."""
    risen = standing.worse_at is not None and now_ms - standing.worse_at <= RISEN_FOR_MS
    return standing.degraded or (risen and standing.answers == "model")


def greatest_shift(models: Models) -> float:
    """Of all models that answer; 0 where there are none."""
    standings = list(models.standings.values())
    return max((shift_of(standing) for standing in standings if standing.answers == "model"), default=0.0)


def shift_of(standing: Standing) -> float:
    """How far what a target's newest model says is from what it said before; 0 while that is not known."""
    return (standing.score_shift or 0.0) if standing.examples >= LEAST_FOR_SHIFT else 0.0
