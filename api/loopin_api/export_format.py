"""Rows as CSV or NDJSON, block by block."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from loopin_schemas import encode

Rows = Sequence[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """A format that an export can have.

    Attributes:
        name: value of the parameter ``format``, and the file's extension.
        media_types: what an Accept header may call it; the first is what the answer says.
        header: what stands before all rows, of the column names.
        block: some rows, of the column names, those that hold JSON text, and the rows.
    """

    name: str
    media_types: tuple[str, ...]
    header: Callable[[Sequence[str]], bytes]
    block: Callable[[Sequence[str], Collection[str], Rows], bytes]


def _cell(value: Any) -> str:
    """Text is quoted and otherwise kept as it is, numbers are bare, null is nothing at all (RFC 4180)."""
    if value is None:
        return ""
    if isinstance(value, str):
        return '"' + value.replace('"', '""') + '"'
    return str(value)


def _csv_header(columns: Sequence[str]) -> bytes:
    return _csv_block(columns, (), [tuple(columns)])


def _csv_block(_columns: Sequence[str], _json: Collection[str], rows: Rows) -> bytes:
    return "".join([",".join(map(_cell, row)) + "\r\n" for row in rows]).encode()


def _no_header(_columns: Sequence[str]) -> bytes:
    return b""


def _ndjson_block(columns: Sequence[str], json_columns: Collection[str], rows: Rows) -> bytes:
    nested = [index for index, column in enumerate(columns) if column in json_columns]
    return b"".join([encode(_object(columns, nested, row)) + b"\n" for row in rows])


def _object(columns: Sequence[str], nested: Sequence[int], row: tuple[Any, ...]) -> dict[str, Any]:
    fields = dict(zip(columns, row, strict=True))
    for index in nested:
        fields[columns[index]] = _on_one_line(row[index])
    return fields


def _on_one_line(json: str) -> msgspec.Raw:
    """JSON text without its line breaks, which can only be blanks between its tokens."""
    return msgspec.Raw(json.replace("\n", " ").replace("\r", " ").encode())


FORMATS: Final = (
    ExportFormat("csv", ("text/csv",), _csv_header, _csv_block),
    ExportFormat(
        "ndjson", ("application/x-ndjson", "application/jsonl", "application/json"), _no_header, _ndjson_block
    ),
)


def choose(name: str | None, accept: str) -> ExportFormat:
    """The format of this name, else the one that an Accept header prefers, else CSV."""
    for found in FORMATS:
        if found.name == name:
            return found
    preferred = [media for media, _ in sorted(_accepted(accept), key=lambda one: -one[1])]
    for media in preferred:
        for found in FORMATS:
            if media in found.media_types:
                return found
    return FORMATS[0]


def _accepted(accept: str) -> list[tuple[str, float]]:
    """Media types of an Accept header and their weights, those with weight 0 left out."""
    found = []
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            quality = float(weight)
        except ValueError:
            continue
        if quality > 0:
            found.append((media, quality))
    return found
