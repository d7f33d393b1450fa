"""The days on which users were active, out of the bits that profiles keep."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loopin_schemas.profile import Profile


class ActiveDays(NamedTuple):
    """Days since 1970 (UTC) that profiles remember as active.

    Attributes:
        days: of one profile behind the other, the newest of each first.
        numbers: how many each has, (profiles,).
    """

    days: NDArray[np.int32]
    numbers: NDArray[np.int64]

    def each(self, most: int) -> Iterator[list[int]]:
        """The newest days of each profile, ``most`` of them."""
        days, start = self.days.tolist(), 0
        for number in self.numbers.tolist():
            yield days[start : start + min(number, most)]
            start += number


def active_days(profiles: Sequence[Profile]) -> ActiveDays:
    """Of each profile, all that it remembers."""
    lengths = _ints([len(profile.active_days) for profile in profiles])
    # The last byte holds the newest days: reversed, bits lie in the order of days back.
    kept = np.frombuffer(b"".join(profile.active_days[::-1] for profile in profiles), np.uint8)
    bits = np.flatnonzero(np.unpackbits(kept, bitorder="little"))
    row = np.repeat(np.arange(len(profiles)), 8 * lengths)[bits]
    back = bits - (8 * (np.cumsum(lengths) - lengths))[row]
    newest = _ints([profile.active_day for profile in profiles])
    return ActiveDays((newest[row] - back).astype(np.int32), np.bincount(row, minlength=len(profiles)))


def _ints(values: Sequence[int]) -> NDArray[Any]:
    return np.array(values, np.int64)
