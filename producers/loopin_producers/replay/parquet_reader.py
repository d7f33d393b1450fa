"""Parquet, through pyarrow, which only this reader needs."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from loopin_producers.replay.errors import ReplayError
from loopin_producers.replay.row import Row, Rows
from loopin_producers.replay.source import open_source, reading

_BATCH_ROWS = 1000


@contextmanager
def read_parquet(path: Path) -> Iterator[Rows]:
    """Rows of a Parquet file, a thousand at a time; a gzipped one is unpacked to a temporary file first.

    Raises:
        ReplayError: pyarrow is missing, or the file is no Parquet or is damaged.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        reason = "Install loopin-analytics[sinks] to read Parquet: it needs pyarrow."
        raise ReplayError("extra_missing", reason) from error
    with open_source(path) as source, _seekable(path, source) as content:
        with _decoding(path, pyarrow.ArrowException):
            file = pyarrow.parquet.ParquetFile(content)
        yield Rows(tuple(file.schema_arrow.names), _rows(path, file, pyarrow.ArrowException))


@contextmanager
def _seekable(path: Path, source: BinaryIO) -> Iterator[BinaryIO]:
    if not isinstance(source, gzip.GzipFile):
        yield source
        return
    with tempfile.TemporaryFile() as unpacked:
        with reading(path, source):
            shutil.copyfileobj(source, unpacked)
        unpacked.seek(0)
        yield unpacked


def _rows(path: Path, file: Any, arrow_error: type[Exception]) -> Iterator[Row]:
    number = 0
    with _decoding(path, arrow_error):
        for batch in file.iter_batches(batch_size=_BATCH_ROWS):
            for values in batch.to_pylist():
                number += 1
                yield Row(number, number, values)


@contextmanager
def _decoding(path: Path, arrow_error: type[Exception]) -> Iterator[None]:
    try:
        yield
    except (arrow_error, OSError) as error:
        reason = (
            f"Get {path.name} again: it is no Parquet file, or it is damaged ({str(error).splitlines()[0]})."
        )
        raise ReplayError("file_corrupt", reason) from error
