"""The matrix's result: a line a case, and a file for machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.case import Row

COLUMNS = (
    *("case", "published", "lost", "double"),
    *("wrong windows", "wrong profiles", "wrong persons", "recovery s"),
)
WIDTHS = (24, 10, 7, 7, 14, 15, 14, 11)


def header() -> str:
    """The table's first line."""
    return _line(COLUMNS)


def line(row: Row) -> str:
    """A case's line."""
    return _line(tuple(_shown(value) for value in row))


def write(rows: Sequence[Row], path: Path, order: Sequence[str]) -> None:
    """Write a list of objects, one for each case in ``order`` that has a row, now or in the file before.

    The rows of cases that exist no more are left out, and fields that a row has no more; one that a row has
    not had is null.
    """
    results = {row["case"]: row for row in _written(path)} | {row.case: row._asdict() for row in rows}
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_suffix(".new")
    written.write_text(json.dumps([results[name] for name in order if name in results], indent=2) + "\n")
    # All at once: whoever ends the matrix here keeps the rows of before.
    written.rename(path)


def _written(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    # A row of before may lack what was not looked at then.
    return [{name: row.get(name) for name in Row._fields} for row in found]


def _shown(value: str | float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value


def _line(cells: Sequence[str]) -> str:
    first, *others = zip(cells, WIDTHS, strict=True)
    return f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in others)
