"""Hours of the day by the clocks of where users are, as far as their rhythm tells.

Nobody says which zone a place is in. But people everywhere sleep: the day of a place, turned by the right
number of hours, looks like that of all the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from loopin_sinks.personas.activity import Matrix

LEAST_HOURS: Final = 500
"""A place with fewer hours in which anybody was there is not turned: its days are not known well enough."""

ROUNDS: Final = 5


def turned(hours: Matrix, places: Sequence[str]) -> Matrix:
    """Hours of the day in UTC, (users, 24), turned so that those of all places fit best (in whole hours).

    Which hour is midnight stays open: the day that all are turned to is that of the places with most users.
    """
    names, index = np.unique(np.array(places, dtype=object).astype(str), return_inverse=True)
    days = np.zeros((len(names), 24))
    np.add.at(days, index, hours)
    shifts = _shifts(days)[index]
    columns = (np.arange(24)[None, :] - shifts[:, None]) % 24
    return np.take_along_axis(hours, columns, axis=1)


def _shifts(days: Matrix) -> NDArray[np.int64]:
    known, shifts = days.sum(axis=1) >= LEAST_HOURS, np.zeros(len(days), dtype=np.int64)
    rolled = np.stack([np.roll(days, shift, axis=1) for shift in range(24)], axis=1)
    for _ in range(ROUNDS):
        whole = rolled[np.arange(len(days)), shifts].sum(axis=0)
        best = np.where(known, (rolled @ whole).argmax(axis=1), 0)
        if np.array_equal(best, shifts):
            break
        shifts = best
    # What lies in the largest place's day is left where it is.
    largest = shifts[days.sum(axis=1).argmax()] if len(days) else 0
    return np.asarray(np.where(known, (shifts - largest) % 24, 0))
