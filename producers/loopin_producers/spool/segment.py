"""One file of the spool: written once from front to back, read from front to back, then removed.

The file begins with 8 bytes that name the format, and 8 bytes that say up to where the broker has it. It has
its full size from the beginning, so that all processes that share a spool count the same bytes; what is not
written yet is zero.
"""

from __future__ import annotations

import os
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from loopin_producers.spool.record import HEAD, SpooledRecord, Unreadable, unpack

_MAGIC: Final = b"LOOPSPL1"
_PLACE: Final = Struct(">Q")
_BEGIN: Final = len(_MAGIC) + _PLACE.size

OVERHEAD: Final = _BEGIN + HEAD.size
"""Bytes of a segment that hold no record: its beginning, and the empty length at its end."""


class Piece(NamedTuple):
    """Records read together, where they end in the file, and how many before that could not be read."""

    records: list[SpooledRecord]
    end: int
    unreadable: int


class Segment:
    """An open segment file. Not safe to share by threads: the spool's lock is around it."""

    def __init__(self, path: Path, descriptor: int, written: int, consumed: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._written = written
        self._consumed = consumed
        self._read = consumed
        self._size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, path: Path, size: int) -> Segment:
        """A new file of ``size`` bytes. Raises OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
            os.pwrite(descriptor, _MAGIC + _PLACE.pack(_BEGIN), 0)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return cls(path, descriptor, _BEGIN, _BEGIN)

    @classmethod
    def open(cls, path: Path) -> Segment | None:
        """The file that another process has left, or None where it is no segment. Raises OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        head = os.pread(descriptor, _BEGIN, 0)
        if len(head) < _BEGIN or head[: len(_MAGIC)] != _MAGIC:
            os.close(descriptor)
            return None
        size = os.fstat(descriptor).st_size
        (consumed,) = _PLACE.unpack_from(head, len(_MAGIC))
        return cls(path, descriptor, size, min(max(consumed, _BEGIN), size))

    @property
    def room(self) -> int:
        """Bytes that can still be appended; the file keeps an empty length at its end."""
        return self._size - HEAD.size - self._written

    @property
    def all_read(self) -> bool:
        """Whether every record has been read."""
        return self._read >= self._written

    @property
    def all_consumed(self) -> bool:
        """Whether the broker has every record."""
        return self._consumed >= self._written

    def append(self, packed: bytes) -> None:
        """Write packed records behind the others; there must be room. Raises OSError."""
        begin = self._written
        done = 0
        while done < len(packed):
            done += os.pwrite(self._descriptor, packed[done:], begin + done)
        self._written = begin + done

    def seal(self) -> None:
        """Give back the room that is left; nothing will be appended."""
        os.ftruncate(self._descriptor, self._written)
        self._size = self._written

    def read(self, most: int) -> Piece:
        """The next records, at most so many; those that cannot be read are passed over."""
        buffer = os.pread(self._descriptor, self._written - self._read, self._read)
        records: list[SpooledRecord] = []
        place = unreadable = 0
        while len(records) < most:
            try:
                found = unpack(buffer, place)
            except Unreadable as fault:
                unreadable += 1
                # Where the next record begins can only be told from a length.
                place = place + fault.length if fault.length else len(buffer)
                continue
            if found is None:
                # Nothing was written behind this: the process that wrote it ended here.
                self._written = self._read + place
                break
            record, place = found
            records.append(record)
        self._read += place
        return Piece(records, self._read, unreadable)

    def consumed(self, end: int) -> None:
        """Note that the broker has everything before ``end``. Raises OSError."""
        os.pwrite(self._descriptor, _PLACE.pack(end), len(_MAGIC))
        self._consumed = end

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Let go of the file and delete it."""
        self.close()
        self.path.unlink(missing_ok=True)
