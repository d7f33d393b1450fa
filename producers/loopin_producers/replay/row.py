"""What every reader yields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file.

    ``number`` counts records from 1, good and bad, and is the row's identity; ``line`` is the line of the
    file it begins on (in Parquet, its number). A record that cannot be read has a ``problem`` and no values.
    """

    number: int
    line: int
    values: Mapping[str, Any]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """A file that is being read: its columns, where the format declares them, and its rows, once."""

    columns: tuple[str, ...] | None
    rows: Iterator[Row]
