"""The matrix's result: a line a case, and a file for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from tests.faults.case import Row

COLUMNS = ("case", "published", "lost", "double", "wrong windows", "wrong profiles", "recovery s")
WIDTHS = (24, 10, 7, 7, 14, 15, 11)


def header() -> str:
    """The table's first line."""
    return _line(COLUMNS)


def line(row: Row) -> str:
    """A case's line."""
    return _line(tuple(_shown(value) for value in row))


def write(rows: Sequence[Row], path: Path) -> None:
    """Write a list of objects, one for each case."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([row._asdict() for row in rows], indent=2) + "\n")


def _shown(value: str | float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _line(cells: Sequence[str]) -> str:
    first, *others = zip(cells, WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)
