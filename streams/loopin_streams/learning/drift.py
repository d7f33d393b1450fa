"""Whether what models see, or how wrong they are, has changed."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from river.drift import ADWIN

BINS: Final = 10


def population_stability(before: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column, over the tenths of ``before``: sum of (b - a) log(b / a), with shares of both.

    Below 0.1 nothing has changed, from 0.25 on much has (Siddiqi, 2006). Of few rows it is great by chance:
    (bins - 1) (1 / n + 1 / m) on average where nothing has changed (Yurdakul, 2018).
    """
    found = np.zeros(before.shape[1])
    for column in range(before.shape[1]):
        edges = np.unique(np.quantile(before[:, column], np.linspace(0, 1, BINS + 1)[1:-1]))
        one, other = (
            np.bincount(np.searchsorted(edges, rows[:, column]), minlength=len(edges) + 1) + 0.5
            for rows in (before, after)
        )
        one, other = one / one.sum(), other / other.sum()
        found[column] = float(((one - other) * np.log(one / other)).sum())
    return found


class ErrorDrift:
    """Counts changes of the mean error (ADWIN: Bifet and Gavalda, 2007).

    ``worse_at`` is the time of the last one by which it rose.
    """

    def __init__(self) -> None:
        self._adwin = ADWIN(delta=0.002)
        self.changes = 0
        self.worse_at: int | None = None

    def see(self, loss: float, at: int = 0) -> bool:
        """Take in the next error, of a time; whether the errors have just changed."""
        before = self._adwin.estimation
        self._adwin.update(loss)
        changed = bool(self._adwin.drift_detected)
        self.changes += changed
        if changed and self._adwin.estimation > before:
            self.worse_at = at
        return changed
