"""Counting a user's events into the behaviour that models read: pure functions, in the order of the log."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.behaviour import HALF_LIVES, KINDS, Behaviour
from loopin_streams.state.sessions import TIMEOUT_MS

DAY_MS: Final = 86_400_000

SHAPE: Final = (len(KINDS), len(HALF_LIVES))
DAYS_KEPT: Final = 64

NO_SUMS: Final = bytes(2 * SHAPE[0] * SHAPE[1])
"""What empty sums stand for: those of a user's first day, which is the only one of most."""

_EVENTS, _DAYS, _SESSIONS = (KINDS.index(kind) for kind in ("events", "days", "sessions"))
_ALL_DAYS: Final = (1 << DAYS_KEPT) - 1
_GREATEST: Final = 60_000.0
"""Near the greatest half float: what is more than that a day is a machine."""


def new_behaviour(at: int) -> Behaviour:
    """That of a user whose first event, at epoch ms ``at``, is still to be counted."""
    return Behaviour(
        first=at,
        last=at - TIMEOUT_MS - 1,
        day=at // DAY_MS,
        today=[0] * len(KINDS),
        sums=b"",
    )


def count(behaviour: Behaviour, at: int, deeds: Sequence[int]) -> None:
    """Count an event of epoch ms ``at``; ``deeds`` are places in ``KINDS``."""
    day = at // DAY_MS
    if day < behaviour.day:
        _count_late(behaviour, at, deeds)
        return
    if day > behaviour.day:
        turn_to(behaviour, day)
    today = behaviour.today
    today[_EVENTS] += 1
    if at > behaviour.last:
        if at - behaviour.last > TIMEOUT_MS:
            today[_SESSIONS] += 1
        behaviour.last = at
    elif at < behaviour.first:
        behaviour.first = at
    today[_DAYS] = 1
    behaviour.days |= 1
    for place in deeds:
        today[place] += 1


def turn_to(behaviour: Behaviour, day: int) -> None:
    """Let a later day begin: what was counted fades."""
    passed = day - behaviour.day
    faded = (_sums(behaviour) + np.array(behaviour.today, np.float32)[:, None]) * _fading(passed)
    behaviour.sums = _packed(faded)
    behaviour.today = [0] * len(KINDS)
    behaviour.days = (behaviour.days << passed) & _ALL_DAYS if passed < DAYS_KEPT else 0
    behaviour.day = day


def _count_late(behaviour: Behaviour, at: int, deeds: Sequence[int]) -> None:
    """An event of an earlier day weighs what is left of it; it begins no session."""
    passed = behaviour.day - at // DAY_MS
    behaviour.first = min(behaviour.first, at)
    added = np.zeros(len(KINDS), np.float32)
    added[_EVENTS] = 1
    for place in deeds:
        added[place] += 1
    if passed < DAYS_KEPT and not behaviour.days >> passed & 1:
        behaviour.days |= 1 << passed
        added[_DAYS] = 1
    behaviour.sums = _packed(_sums(behaviour) + added[:, None] * _fading(passed))


def _sums(behaviour: Behaviour) -> NDArray[Any]:
    return np.frombuffer(behaviour.sums or NO_SUMS, "<f2").reshape(SHAPE).astype(np.float32)


def _packed(sums: NDArray[Any]) -> bytes:
    packed: bytes = np.minimum(sums, _GREATEST).astype("<f2").tobytes()
    return packed


@lru_cache(maxsize=256)
def _fading(days: int) -> NDArray[Any]:
    """What is left after so many days, by half-life."""
    return np.exp2(-days / np.array(HALF_LIVES, np.float64)).astype(np.float32)
