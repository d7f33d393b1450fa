"""CSV with a header line, in UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.row import Row, Rows
from loopin_producers.replay.source import open_source, reading

if TYPE_CHECKING:
    from _csv import Reader


@contextmanager
def read_csv(path: Path) -> Iterator[Rows]:
    """Rows of a CSV file; empty lines are passed over.

    A row with too many or too few fields, with a field beyond 128 KB, or that is not UTF-8 is a problem
    of that row.

    Raises:
        ReplayError: no header, or one that names a column twice.
    """
    with open_source(path) as source:
        # Undecodable bytes survive as surrogates, so that one bad row does not end the file.
        text = io.TextIOWrapper(source, "utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, strict=True)
        with reading(path, source):
            columns = _header(reader, path)
        yield Rows(columns, _guarded(path, source, _rows(reader, columns)))


def _guarded(path: Path, source: BinaryIO, rows: Iterator[Row]) -> Iterator[Row]:
    with reading(path, source):
        yield from rows


def _header(reader: Reader, path: Path) -> tuple[str, ...]:
    try:
        columns = tuple(name.strip() for name in next(reader, []))
    except csv.Error as error:
        raise ReplayError("header_invalid", f"Correct the first line of {path.name}: {error}.") from error
    if not any(columns):
        raise ReplayError("header_missing", f"Give {path.name} a first line with the names of its columns.")
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise ReplayError("header_duplicate", f"Rename one of the columns called {twice!r} in {path.name}.")
    return columns


def _rows(reader: Reader, columns: tuple[str, ...]) -> Iterator[Row]:
    number = 0
    while True:
        line = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield Row(number, line, {}, f"not CSV ({error})")
            continue
        if not fields:
            continue
        number += 1
        problem = _problem(fields, columns)
        yield Row(number, line, {} if problem else dict(zip(columns, fields, strict=True)), problem)


def _problem(fields: list[str], columns: tuple[str, ...]) -> str | None:
    if len(fields) != len(columns):
        return f"{len(fields)} fields where the header has {len(columns)}"
    if any(
        "\udc80" <= character <= "\udcff" for field in fields if not field.isascii() for character in field
    ):
        return "not UTF-8"
    return None
