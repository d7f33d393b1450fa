"""What answers before a model does: rules of thumb, with their numbers here to read."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_streams.learning.features import CONTRAST_NAMES, Rows

_AWAY, _MISSED, _JOINS, _PURCHASES, _ATTENDED, _VIEWS = (
    CONTRAST_NAMES.index(name)
    for name in ("days_away", "visits_missed", "joins", "purchases", "attended", "views_a_visit")
)

USUAL_ATTENDANCE: Final = 0.7
"""Share of participants who come, where nothing is known of them."""


def churn(rows: Rows) -> NDArray[np.float64]:
    """1 - exp(-(days since the last visit / 30 + visits missed / 20)): 0 now, 0.63 and more after a month."""
    away, missed = np.expm1(rows[:, _AWAY]), np.expm1(rows[:, _MISSED])
    found: NDArray[np.float64] = 1 - np.exp(-(np.maximum(away, 0) / 30 + np.maximum(missed, 0) / 20))
    return found


def conversion(rows: Rows) -> NDArray[np.float64]:
    """Tickets that 14 days bring at the user's own rate, as the probability of at least one, and 1 % more."""
    found: NDArray[np.float64] = 1 - 0.99 * np.exp(-14 * np.maximum(_rate(rows, _PURCHASES), 0))
    return found


def attendance(rows: Rows) -> NDArray[np.float64]:
    """The user's own share of attended joins, drawn to the usual one as by five earlier joins."""
    joins, attended = (np.maximum(_rate(rows, at), 0) * _DAYS_WORTH for at in (_JOINS, _ATTENDED))
    found: NDArray[np.float64] = (np.minimum(attended, joins) + 5 * USUAL_ATTENDANCE) / (joins + 5)
    return found


_NEVER: Final = 0.03
_DAYS_WORTH: Final = 36.0
"""A rate over a half-life of 25 days stands for counts of so many."""


def _rate(rows: Rows, at: int) -> NDArray[np.float64]:
    found: NDArray[np.float64] = np.exp(rows[:, at]) - _NEVER
    return found
