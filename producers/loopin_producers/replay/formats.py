"""The file formats a replay reads. A new one is a reader and a line here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from loopin_producers.replay.csv_reader import read_csv
from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.ndjson_reader import read_ndjson
from loopin_producers.replay.parquet_reader import read_parquet
from loopin_producers.replay.row import Rows


@dataclass(frozen=True, slots=True)
class Format:
    """A file format: its name, the suffixes that tell it (also before ``.gz``), and its reader."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[Path], AbstractContextManager[Rows]]


FORMATS: tuple[Format, ...] = (
    Format("csv", (".csv",), read_csv),
    Format("ndjson", (".ndjson", ".jsonl", ".json"), read_ndjson),
    Format("parquet", (".parquet", ".pq"), read_parquet),
)


def format_of(path: Path) -> Format:
    """The format that a file's name tells.

    Raises:
        ReplayError: none of ours.
    """
    name = path.name.lower().removesuffix(".gz")
    for known in FORMATS:
        if name.endswith(known.suffixes):
            return known
    endings = ", ".join(suffix for known in FORMATS for suffix in known.suffixes)
    raise ReplayError(
        "format_unknown", f"Rename {path.name} to end in one of {endings} (and .gz if gzipped)."
    )
