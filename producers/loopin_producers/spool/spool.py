"""The spool: a bounded queue on disk, shared by the processes of one user."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from loopin_producers.spool.folder import make_private
from loopin_producers.spool.record import SpooledRecord, pack
from loopin_producers.spool.segment import OVERHEAD, Segment
from loopin_producers.spool.writer_folder import WriterFolder, bytes_below, folders

DEFAULT_BYTES: Final = 256 << 20
SMALLEST_BYTES: Final = 1 << 20
"""Least bound that makes sense: an event may have 64 KB."""

_SEGMENT_BYTES: Final = 1 << 20
_SEGMENTS: Final = 8
"""Least number of segments that the bound holds, or what is freed would be freed too late."""

_ABANDONED_S: Final = 3600


class Chunk(NamedTuple):
    """Records in order, and how many could not be read; its place is for :meth:`Spool.done`."""

    records: list[SpooledRecord]
    unreadable: int
    segment: Segment
    end: int


class Spool:
    """Events of this process, and of others that have ended, oldest first.

    Each process writes files of its own. The files of one that has ended, also by kill -9, are taken over by
    the next that looks, all of them by the same one. What was written survives the process, not the machine's
    loss of power: nothing is forced to the disk.

    Args:
        folder: shared by all processes that send to the same place.
        max_bytes: bound on the files of all processes together; what is older stays, what is newer is
            refused.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_BYTES) -> None:
        make_private(folder)
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(_SEGMENT_BYTES, max_bytes // _SEGMENTS)
        self._lock = threading.Lock()
        self._own: WriterFolder | None = None
        self._adopted: deque[WriterFolder] = deque()
        self._active: Segment | None = None
        self._open: dict[Path, Segment] = {}
        self._outstanding = 0
        self.waiting = 0
        """Records that this process wrote and the broker does not have."""

    def append(self, records: Sequence[SpooledRecord]) -> int:
        """Write records behind all others; returns how many of the last of them found no room."""
        with self._lock:
            written = self._write(records)
            self.waiting += written
            return len(records) - written

    def put_back(self, records: Sequence[SpooledRecord]) -> bool:
        """Write records that were captured before all others here; False when not all of them have room."""
        with self._lock:
            needed = sum(len(pack(record)) for record in records) + OVERHEAD
            if needed > self._max_bytes - bytes_below(self._folder):
                return False
            active, self._active = self._active, None
            written = self._write(records, before=True)
            if self._active is not None:
                self._active.seal()
            self._active = active
            self.waiting += written
            return written == len(records)

    def adopt(self) -> bool:
        """Take over what processes that have ended left; whether there is anything that waits."""
        with self._lock:
            known = {folder.path for folder in (*self._adopted, *([self._own] if self._own else ()))}
            for path in folders(self._folder):
                if path in known or (taken := WriterFolder.take_over(path)) is None:
                    continue
                if any(taken.segments()):
                    self._adopted.append(taken)
                else:
                    taken.release()
            self._remove_unfinished()
            return bool(self._adopted)

    def next_chunk(self, most: int) -> Chunk | None:
        """The oldest records that were not read yet, at most so many; None when there are none.

        What another process left comes to an end only once all of it is done.
        """
        with self._lock:
            while True:
                for segment in self._segments():
                    piece = segment.read(most)
                    if piece.records or piece.unreadable:
                        self._outstanding += 1
                        return Chunk(piece.records, piece.unreadable, segment, piece.end)
                    if segment.all_consumed and segment is not self._active:
                        self._remove(segment)
                if self._outstanding:
                    return None
                if not self._adopted:
                    self.waiting = 0
                    return None
                self._adopted.popleft().release()

    def done(self, chunk: Chunk) -> None:
        """The broker has the chunk, or it is given up."""
        with self._lock:
            chunk.segment.consumed(chunk.end)
            self._outstanding -= 1
            if self._own is not None and chunk.segment.path.parent == self._own.path:
                self.waiting = max(0, self.waiting - len(chunk.records) - chunk.unreadable)
            if chunk.segment.all_consumed and chunk.segment is not self._active:
                self._remove(chunk.segment)

    @property
    def empty(self) -> bool:
        """Whether the broker has everything."""
        return not self.waiting and not self._adopted

    def tidy(self) -> None:
        """Remove this process's last file once the broker has all of it."""
        with self._lock:
            if self._active is not None and self._active.all_consumed:
                self._remove(self._active)
                self._active = None

    def close(self) -> None:
        """Let go of everything; others may take over what is left."""
        with self._lock:
            for segment in self._open.values():
                segment.remove() if segment.all_consumed else segment.close()
            for folder in (*self._adopted, *([self._own] if self._own else ())):
                folder.release()
            self._forget()

    def abandon(self) -> None:
        """Close the copies that a forked child has of its parent's files."""
        for segment in self._open.values():
            with suppress(OSError):
                segment.close()
        for folder in (*self._adopted, *([self._own] if self._own else ())):
            folder.forget()
        self._forget()
        # Another thread of the parent may have held it.
        self._lock = threading.Lock()
        self.waiting = 0

    def _forget(self) -> None:
        self._own = self._active = None
        self._adopted.clear()
        self._open.clear()
        self._outstanding = 0

    def _segments(self) -> Iterator[Segment]:
        """What may hold records, in the order in which they are to be sent."""
        sources = [self._adopted[0]] if self._adopted else [self._own] if self._own else []
        for path in (path for folder in sources for path in folder.segments()):
            segment = self._open.get(path)
            if segment is None:
                segment = Segment.open(path)
                if segment is None:
                    # Not ours, or destroyed: kept for a person to look at.
                    path.rename(path.with_name(f"{path.name}.unreadable"))
                    continue
                self._open[path] = segment
            yield segment

    def _remove(self, segment: Segment) -> None:
        self._open.pop(segment.path, None)
        segment.remove()

    def _write(self, records: Iterable[SpooledRecord], *, before: bool = False) -> int:
        """Append to the active segment and to new ones; returns how many were written.

        The new ones sort behind all others of this process, or ``before`` them.
        """
        written = 0
        buffer = bytearray()
        held = 0
        try:
            for record in records:
                data = pack(record)
                if self._active is None or self._active.room < len(buffer) + len(data):
                    self._flush(buffer)
                    written, held = written + held, 0
                    if not self._next_segment(record.captured_ns, len(data), before):
                        return written
                buffer += data
                held += 1
            self._flush(buffer)
        except OSError:
            # A full or broken disk; what was written before stays.
            return written
        return written + held

    def _flush(self, buffer: bytearray) -> None:
        if buffer and self._active is not None:
            self._active.append(bytes(buffer))
        buffer.clear()

    def _next_segment(self, captured_ns: int, needed: int, before: bool) -> bool:
        """Begin another segment; False when the bound does not allow one."""
        if self._active is not None:
            self._active.seal()
            self._active = None
        with self._bound():
            size = min(self._segment_bytes, self._max_bytes - bytes_below(self._folder))
            if size < needed + OVERHEAD:
                return False
            if self._own is None:
                self._own = WriterFolder.create(self._folder)
            self._active = Segment.create(self._own.new_segment(captured_ns, before), size)
        self._open[self._active.path] = self._active
        return True

    @contextmanager
    def _bound(self) -> Iterator[None]:
        """Only one process at a time adds up what all have, and takes from what is left."""
        lock = os.open(self._folder / ".bound", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _remove_unfinished(self) -> None:
        """Remove the folders of processes that were killed while they made them."""
        for path in self._folder.glob(".new-*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _ABANDONED_S:
                    shutil.rmtree(path)
