"""NDJSON: one JSON object a line, in UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from loopin_producers.replay.row import Row, Rows
from loopin_producers.replay.source import open_source, reading
from loopin_schemas.codec import decode

MAX_LINE_BYTES = 1 << 20
"""A longer line is bad, and is not held in memory."""


@contextmanager
def read_ndjson(path: Path) -> Iterator[Rows]:
    """Rows of an NDJSON file; blank lines are passed over. Columns are not known beforehand."""
    with open_source(path) as source:
        yield Rows(None, _rows(path, source))


def _rows(path: Path, source: BinaryIO) -> Iterator[Row]:
    number = 0
    for line, text in _lines(path, source):
        if text is None:
            number += 1
            yield Row(number, line, {}, f"longer than {MAX_LINE_BYTES} bytes")
        elif text.strip():
            number += 1
            yield _row(number, line, text)


def _row(number: int, line: int, text: bytes) -> Row:
    try:
        return Row(number, line, decode(text, dict[str, Any]))
    except msgspec.ValidationError:
        return Row(number, line, {}, "not a JSON object")
    except UnicodeDecodeError:
        return Row(number, line, {}, "not UTF-8")
    except RecursionError:
        return Row(number, line, {}, "nested too deeply")
    except msgspec.DecodeError as error:
        return Row(number, line, {}, f"not JSON ({error})")


def _lines(path: Path, source: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines; None in place of one that is too long."""
    line = 0
    with reading(path, source):
        while text := source.readline(MAX_LINE_BYTES + 1):
            line += 1
            if line == 1:
                text = text.removeprefix(b"\xef\xbb\xbf")
            if len(text) <= MAX_LINE_BYTES:
                yield line, text
                continue
            while text and not text.endswith(b"\n"):
                text = source.readline(MAX_LINE_BYTES)
            yield line, None
