"""One file of the spool: written once from front to back, read from front to back, then removed.

The file begins with 8 bytes that name the format, with up to where the broker has it (offset and number of
records), and, once nothing more is appended, with how many records there are; each with a checksum. It has
its full size from the beginning, so that all processes that share a spool count the same bytes; what is not
written yet is zero.
"""

from __future__ import annotations

import os
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from loopin_producers.spool.record import SpooledRecord, next_record

_MAGIC: Final = b"LOOPSPL2"
_PLACE: Final = Struct(">QI")
_COUNT: Final = Struct(">I")
_CHECKSUM: Final = Struct(">I")
_PLACE_AT: Final = len(_MAGIC)
_COUNT_AT: Final = _PLACE_AT + _PLACE.size + _CHECKSUM.size
_BEGIN: Final = _COUNT_AT + _COUNT.size + _CHECKSUM.size
_WINDOW: Final = 64 << 10
"""Bytes that are read at once, and so many more where no record ends in them."""

OVERHEAD: Final = _BEGIN
"""Bytes of a segment that hold no record."""


class Piece(NamedTuple):
    """Records read together, how many between them could not be read, and up to where that is."""

    records: list[SpooledRecord]
    unreadable: int
    end: int
    number: int
    """Of the record that follows."""


class Segment:
    """An open segment file. Not safe to share by threads: the spool's lock is around it."""

    def __init__(self, path: Path, descriptor: int, written: int, consumed: int, number: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._written = written
        self._consumed = consumed
        self._consumed_number = number
        self._read = consumed
        self._number = number
        self._count: int | None = None
        self._size = os.fstat(descriptor).st_size

    @classmethod
    def create(cls, path: Path, size: int) -> Segment:
        """A new file of ``size`` bytes. Raises OSError."""
        # Under its name only once it is one: a kill in between leaves nothing that looks damaged.
        unfinished = path.with_name(f"{path.name}.new")
        descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, size)
            os.pwrite(descriptor, _MAGIC + _checked(_PLACE.pack(_BEGIN, 0)), 0)
            unfinished.rename(path)
        except OSError:
            os.close(descriptor)
            unfinished.unlink(missing_ok=True)
            raise
        segment = cls(path, descriptor, _BEGIN, _BEGIN, 0)
        segment._count = 0
        return segment

    @classmethod
    def open(cls, path: Path) -> Segment | None:
        """The file that another process has left, or None where nothing in it is ours. Raises OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            size = os.fstat(descriptor).st_size
            head = os.pread(descriptor, _BEGIN, 0)
            ours = head.startswith(_MAGIC) or next_record(os.pread(descriptor, size, 0), 0) is not None
        except OSError:
            os.close(descriptor)
            raise
        if not ours or size < _BEGIN:
            os.close(descriptor)
            return None
        consumed, number = _unchecked(_PLACE, head[_PLACE_AT:]) or (_BEGIN, 0)
        segment = cls(path, descriptor, size, min(consumed, size), number)
        if (count := _unchecked(_COUNT, head[_COUNT_AT:])) is not None:
            segment._count = count[0]
        return segment

    @property
    def room(self) -> int:
        """Bytes that can still be appended."""
        return self._size - self._written

    @property
    def count(self) -> int:
        """Records that were appended."""
        return self._count or 0

    @property
    def all_read(self) -> bool:
        """Whether every record has been read."""
        return self._read >= self._written

    @property
    def all_consumed(self) -> bool:
        """Whether the broker has every record."""
        return self._consumed >= self._written

    def append(self, packed: bytes, count: int) -> None:
        """Write ``count`` packed records behind the others; there must be room. Raises OSError."""
        begin = self._written
        done = 0
        while done < len(packed):
            done += os.pwrite(self._descriptor, packed[done:], begin + done)
        self._written = begin + done
        self._count = self.count + count

    def seal(self) -> None:
        """Give back the room that is left, and note how many records there are; nothing will be appended.

        Raises OSError.
        """
        os.pwrite(self._descriptor, _checked(_COUNT.pack(self.count)), _COUNT_AT)
        os.ftruncate(self._descriptor, self._written)
        self._size = self._written

    def read(self, most: int) -> Piece:
        """The next records, at most so many; those that cannot be read are passed over and counted.

        How many of the last ones are lost is known of a file that was sealed; else it counts as one when
        something is there.
        """
        left, window = self._written - self._read, _WINDOW
        buffer = os.pread(self._descriptor, min(window, left), self._read)
        records: list[SpooledRecord] = []
        place = unreadable = 0
        while len(records) < most:
            found = next_record(buffer, place)
            if found is None and window < left:
                # A record that is not whole in here, or damage.
                window *= 4
                buffer = os.pread(self._descriptor, min(window, left), self._read)
                continue
            if found is None:
                lost = self._lost_behind(buffer, place)
                unreadable += lost
                self._number += lost
                if lost:
                    place = self._written - self._read
                else:
                    # Nothing was written behind this: the process that wrote it ended here.
                    self._written = self._read + place
                break
            place = found.end
            if found.number >= self._number:
                unreadable += found.number - self._number
                self._number = found.number + 1
                records.append(found.record)
        self._read += place
        return Piece(records, unreadable, self._read, self._number)

    def _lost_behind(self, buffer: bytes, place: int) -> int:
        """How many records are lost where none can be read any more."""
        if self._count is not None:
            return max(0, self._count - self._number)
        return 1 if buffer[place:].strip(b"\0") else 0

    def consumed(self, end: int, number: int) -> None:
        """Note that the broker has everything before ``end``, ``number`` records.

        Raises OSError: the file does not tell, so that an heir sends them once more.
        """
        self._consumed, self._consumed_number = end, number
        os.pwrite(self._descriptor, _checked(_PLACE.pack(end, number)), _PLACE_AT)

    def rewind(self) -> None:
        """Read again what the broker does not have."""
        self._read, self._number = self._consumed, self._consumed_number

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)

    def remove(self) -> None:
        """Let go of the file and delete it."""
        self.close()
        self.path.unlink(missing_ok=True)


def _checked(packed: bytes) -> bytes:
    return packed + _CHECKSUM.pack(crc32(packed))


def _unchecked(layout: Struct, data: bytes) -> tuple[int, ...] | None:
    """What was packed, or None where it is not what was written."""
    packed, checksum = data[: layout.size], data[layout.size : layout.size + _CHECKSUM.size]
    if len(packed) < layout.size or checksum != _CHECKSUM.pack(crc32(packed)):
        return None
    found: tuple[int, ...] = layout.unpack(packed)
    return found
