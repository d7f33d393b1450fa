"""A metric's daily values, and between which values they always lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

WEEK: Final = 7


@dataclass(frozen=True, slots=True)
class Bounds:
    """Between which values a metric always lies; None for no bound."""

    low: float | None = None
    high: float | None = None

    def clip(self, values: Values) -> Values:
        """The values, within."""
        return np.clip(values, self.low, self.high)

    def kept_by(self, values: Values) -> Bounds:
        """Those of them that no value (NaN for none) is beyond."""
        return Bounds(
            None if self.low is not None and np.any(values < self.low) else self.low,
            None if self.high is not None and np.any(values > self.high) else self.high,
        )


@dataclass(frozen=True)
class Series:
    """Daily values without a gap in their days.

    Attributes:
        first: the day of the first value.
        values: one a day; NaN where there is none. The first and the last are known, if any is.
    """

    first: date
    values: Values

    def __len__(self) -> int:
        return len(self.values)

    @property
    def known(self) -> int:
        """How many days have a value."""
        return int(np.isfinite(self.values).sum())

    def day(self, number: int) -> date:
        """The day of a position, which may lie after the last."""
        return self.first + timedelta(days=number)


def series(first: date, values: Values) -> Series:
    """From the first day with a value other than 0 to the last with one; infinity is no value.

    What begins later than the project did was not 0 before, it was not there.
    """
    known = np.where(np.isfinite(values), values, np.nan)
    there = np.flatnonzero(np.isfinite(known))
    if not len(there):
        return Series(first, known[:0])
    begun = np.flatnonzero(np.nan_to_num(known) != 0)
    start = begun[0] if len(begun) else there[0]
    return Series(first + timedelta(days=int(start)), known[start : there[-1] + 1])
