"""What makes users alike: what their visits are spent on, when they come, and whether they host."""

from __future__ import annotations

from typing import Final

import numpy as np

from loopin_sinks.personas.activity import SPENT_ON, Activity, Matrix
from loopin_sinks.personas.rhythm import turned

ACTIONS_BEFORE: Final = 10.0
HOURS_BEFORE: Final = 5.0
"""A user of whom little is known is taken for one like all others: so many actions and hours of the average
are added to the user's own (the mean of a Dirichlet posterior)."""

RHYTHM: Final = ("day_cos", "day_sin", "half_day_cos", "half_day_sin")
FEATURES: Final = (*(f"share_{name}" for name in SPENT_ON), *RHYTHM, "hosted")
"""Columns, in order. Shares are square roots (so that distances are Hellinger's between users' actions); the
rhythm is the first two harmonics of the day, -1 to 1; hosted is log(1 + events created)."""


def features(of: Activity) -> Matrix:
    """(users, features), in the units of ``FEATURES``; finite for whatever counts."""
    spent = np.stack([of.count(group) for group in SPENT_ON], axis=1)
    hours = _shares(turned(of.hours, of.places), HOURS_BEFORE)
    angles = np.arange(24) * np.pi / 12
    waves = np.stack([np.cos(angles), np.sin(angles), np.cos(2 * angles), np.sin(2 * angles)], axis=1)
    hosted = np.log1p(of.count("hosting"))[:, None]
    return np.hstack([np.sqrt(_shares(spent, ACTIONS_BEFORE)), hours @ waves, hosted])


def _shares(counts: Matrix, before: float) -> Matrix:
    known = np.nan_to_num(counts, nan=0.0, posinf=0.0, neginf=0.0).clip(min=0.0)
    totals = known.sum(axis=1, keepdims=True)
    active = totals[:, 0] > 0
    even = np.full(known.shape[1], 1 / known.shape[1])
    # Of users, not of all they did: one who does a million things is no more usual than others.
    usual = (known[active] / totals[active]).mean(axis=0) if active.any() else even
    return np.asarray((known + before * usual) / (totals + before))
