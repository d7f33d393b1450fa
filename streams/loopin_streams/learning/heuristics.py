"""What answers before a model does: rules of thumb, with their numbers here to read."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.behaviour import HALF_LIVES
from loopin_streams.behaviour.rates import SHORTEST_TENURE_DAYS, days_worth
from loopin_streams.learning.features import CONTRAST_NAMES, NEVER, Rows

_AWAY, _MISSED, _TENURE, _JOINS, _PURCHASES, _ATTENDED = (
    CONTRAST_NAMES.index(name)
    for name in ("days_away", "visits_missed", "tenure", "joins", "purchases", "attended")
)

USUAL_ATTENDANCE: Final = 0.7
"""Share of participants who come, where nothing is known of them."""

PRIOR_JOINS: Final = 5
"""So many joins count as the usual share beside the user's own."""

USUAL_PURCHASES: Final = 0.01
"""Tickets a day of a user of whom nothing is known: 13 % buy one within 14 days."""

PRIOR_DAYS: Final = 30
"""So many days count as the usual rate beside the user's own."""


def churn(rows: Rows) -> NDArray[np.float64]:
    """1 - exp(-(days since the last visit / 30 + visits missed / 20)): 0 now, 0.63 and more after a month."""
    away, missed = np.expm1(rows[:, _AWAY]), np.expm1(rows[:, _MISSED])
    found: NDArray[np.float64] = 1 - np.exp(-(np.maximum(away, 0) / 30 + np.maximum(missed, 0) / 20))
    return found


def conversion(rows: Rows) -> NDArray[np.float64]:
    """At least one ticket in 14 days at the user's own rate, drawn to the usual one as by 30 earlier days."""
    days = _days(rows)
    rate = (_rate(rows, _PURCHASES) * days + PRIOR_DAYS * USUAL_PURCHASES) / (days + PRIOR_DAYS)
    found: NDArray[np.float64] = 1 - np.exp(-14 * rate)
    return found


def attendance(rows: Rows) -> NDArray[np.float64]:
    """The user's own share of attended joins, drawn to the usual one as by five earlier joins.

    What is left of fading counts. A join whose platform event is still to be is one that was not attended:
    the features do not tell them apart.
    """
    days = _days(rows)
    joins, attended = (_rate(rows, at) * days for at in (_JOINS, _ATTENDED))
    came = np.minimum(attended, joins) + PRIOR_JOINS * USUAL_ATTENDANCE
    found: NDArray[np.float64] = came / (joins + PRIOR_JOINS)
    return found


def _rate(rows: Rows, at: int) -> NDArray[np.float64]:
    """A day, over the longest half-life."""
    return np.maximum(np.exp(rows[:, at]) - NEVER, 0)


def _days(rows: Rows) -> NDArray[np.float64]:
    """By how many days these rates are made of counts."""
    return days_worth(np.maximum(np.expm1(rows[:, _TENURE]), SHORTEST_TENURE_DAYS), HALF_LIVES[-1])
