"""Whether an active user has fallen silent: judged as time passes, because no event tells."""

from __future__ import annotations

from typing import Final

from loopin_schemas.anomaly import OddFeature
from loopin_schemas.behaviour import Behaviour
from loopin_streams.anomalies.finding import Finding
from loopin_streams.anomalies.rules import (
    ACTIVE_LEAST_DAYS,
    DAY_MS,
    SILENT_BY_CHANCE,
    SILENT_LEAST_DAYS,
    SILENT_MOST_DAYS,
)

LENGTHS: Final = (64, 28, 14)
"""Days before the silence that tell the user's pace. The slowest one counts: who fades is not sudden."""

ACTIVE_WITHIN: Final = 28
"""Days before the silence in which the user has to have been active."""

_MOST_OFTEN: Final = 0.95
"""Active days a day: nobody is there every day for sure."""


def silence(behaviour: Behaviour, now: int) -> Finding | None:
    """What there is to say of a user's silence at epoch ms ``now``."""
    days = now // DAY_MS - behaviour.day
    away = min(days - 1, (now - behaviour.last) / DAY_MS)
    if not behaviour.known or not SILENT_LEAST_DAYS <= away <= SILENT_MOST_DAYS:
        return None
    if _active(behaviour, ACTIVE_WITHIN) < ACTIVE_LEAST_DAYS:
        return None
    paces = (_active(behaviour, length) / _known(behaviour, length) for length in LENGTHS)
    pace = min(_MOST_OFTEN, *paces)
    chance = (1 - pace) ** int(away)
    if chance > SILENT_BY_CHANCE:
        return None
    features = (
        OddFeature(name="chance_of_so_long_a_silence", value=chance, usual=SILENT_BY_CHANCE, weight=1),
        OddFeature(name="days_away", value=round(away, 1)),
        OddFeature(name="active_days_a_week_before", value=round(7 * pace, 1)),
    )
    return Finding("sudden_inactivity", behaviour.last, chance, SILENT_BY_CHANCE, features)


def _active(behaviour: Behaviour, length: int) -> int:
    return (behaviour.days & ((1 << length) - 1)).bit_count()


def _known(behaviour: Behaviour, length: int) -> int:
    return min(length, behaviour.day - behaviour.first // DAY_MS + 1)
