"""Bytes of a file, gzipped or not; the content decides, not the name."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from loopin_producers.replay.errors import ReplayError

_GZIP_MAGIC = b"\x1f\x8b"


@contextmanager
def open_source(path: Path) -> Iterator[BinaryIO]:
    """The file's bytes, unpacked where it is gzipped.

    Raises:
        ReplayError: the file is missing or cannot be read.
    """
    try:
        packed = path.open("rb")
        zipped = packed.read(2) == _GZIP_MAGIC
        packed.seek(0)
    except OSError as error:
        raise _unreadable(path, error) from error
    with packed:
        yield cast(BinaryIO, gzip.GzipFile(fileobj=packed)) if zipped else packed


@contextmanager
def reading(path: Path, source: BinaryIO) -> Iterator[None]:
    """Around each read of a source: what can go wrong there becomes one sentence with the position.

    Raises:
        ReplayError: the gzip stream is cut short or corrupt, or the disk fails.
    """
    try:
        yield
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        position = f"near byte {source.tell()} of its content"
        reason = f"Get {path.name} again: its gzip data is cut short or corrupt {position}."
        raise ReplayError("file_corrupt", reason) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def sha256_of(path: Path) -> str:
    """SHA-256 of the file as it lies on disk, hexadecimal.

    Raises:
        ReplayError: the file is missing or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> ReplayError:
    return ReplayError("file_unreadable", f"Check the file {path}: {error.strerror or error}.")
