"""Which series a project's day has: bounded, so that no client can fill the memory with names."""

from __future__ import annotations

from typing import Final

from loopin_schemas.codec import encode
from loopin_streams.windows.measures import OWN

Series = tuple[str, str, str]
"""Metric, dimension, value; the whole metric has ``""`` for both."""

MAX_VALUES: Final = 500
"""Values of one dimension of one metric in a project's day; further ones are counted as ``$other``."""

MAX_BYTES: Final = 40_000
"""Bytes of those values as JSON: with all its series, a window must fit one record, below 900 KB."""

OWN_VALUES: Final = 250
"""Values of a catalogue's metric with series of its own: as many countries as there are."""

OWN_BYTES: Final = 6_000
"""Bytes of those values: there are many such metrics, and their series come on top of the others."""

OTHER: Final = "$other"


class SeriesOfDay:
    """The series that a project's day has so far; the shorter windows of the day follow the same choice.

    Each has a number: those of one metric count from 0, so that the numbers of the series that count users
    stay small, for ``Profile.counted``.
    """

    def __init__(self) -> None:
        self._ids: dict[Series, int] = {}
        self._room: dict[tuple[str, str], tuple[int, int]] = {}
        self._next: dict[str, int] = {}

    def known(self, series: Series, number: int) -> None:
        """Take in a series as it was numbered before."""
        self._ids[series] = number
        self._next[series[0]] = max(self._next.get(series[0], 0), number + 1)
        self._count(series)

    def admit(self, metric: str, dimension: str, value: str) -> tuple[Series, int]:
        """The series to count under, and its number: its own, or ``$other`` when there are too many."""
        series = (metric, dimension, value)
        number = self._ids.get(series)
        if number is not None:
            return series, number
        if dimension and value != OTHER and min(self._room_beside(series)) < 0:
            return self.admit(metric, dimension, OTHER)
        number = self._ids[series] = self._next.get(metric, 0)
        self._next[metric] = number + 1
        self._count(series)
        return series, number

    def _count(self, series: Series) -> None:
        metric, dimension, value = series
        if value != OTHER:
            self._room[metric, dimension] = self._room_beside(series)

    def _room_beside(self, series: Series) -> tuple[int, int]:
        """Values and bytes that the dimension still has room for beside this value."""
        metric, dimension, value = series
        most = (OWN_VALUES, OWN_BYTES) if metric in OWN else (MAX_VALUES, MAX_BYTES)
        values, size = self._room.get((metric, dimension), most)
        return values - 1, size - len(encode(value))
