"""The spool: a bounded queue on disk, shared by the processes of one user."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import stat
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from loopin_producers.spool.folder import make_private
from loopin_producers.spool.record import SpooledRecord, pack, packed_size
from loopin_producers.spool.segment import OVERHEAD, Segment
from loopin_producers.spool.writer_folder import SET_ASIDE, WriterFolder, bytes_below, folders, order

logger = logging.getLogger("loopin_producers")

DEFAULT_BYTES: Final = 256 << 20
SMALLEST_BYTES: Final = 1 << 20
"""Least bound that makes sense: an event may have 64 KB."""

_SEGMENT_BYTES: Final = 1 << 20
_SEGMENTS: Final = 8
"""Least number of segments that the bound holds, or what is freed would be freed too late."""

_ABANDONED_S: Final = 3600

_PASSING: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})
"""The process, not the file, is the reason why it cannot be opened; later it can."""


class Hindered(OSError):
    """Records were not written for now: the process has no files or memory left, the disk has room.

    ``written`` is how many of the first ones were.
    """

    def __init__(self, written: int, cause: OSError) -> None:
        super().__init__(cause.errno, cause.strerror)
        self.written = written


class Chunk(NamedTuple):
    """Records in order, and how many could not be read; its place is for :meth:`Spool.done`.

    Without a segment it tells of files that were set aside.
    """

    records: list[SpooledRecord]
    unreadable: int
    segment: Segment | None = None
    end: int = 0
    number: int = 0


class Spool:
    """Events of this process, and of others that have ended, oldest first.

    Each process writes files of its own. The files of one that has ended, also by kill -9, are taken over by
    the next that looks, all of them by the same one. What was written survives the process, not the machine's
    loss of power: nothing is forced to the disk.

    Args:
        folder: shared by all processes that send to the same place.
        max_bytes: bound on the files of all processes together; what is older stays, what is newer is
            refused.
        kin: folders of spools whose events go to the same place as this one's, such as those from before a
            broker was added: what processes that have ended left there is taken over, too.

    Raises:
        OSError: the folder cannot be used.
    """

    def __init__(
        self, folder: Path, max_bytes: int = DEFAULT_BYTES, kin: Callable[[], Sequence[Path]] = tuple
    ) -> None:
        make_private(folder)
        self._folder = folder
        self._kin = kin
        self._max_bytes = max_bytes
        self._segment_bytes = min(_SEGMENT_BYTES, max_bytes // _SEGMENTS)
        self._lock = threading.Lock()
        self._own: WriterFolder | None = None
        self._adopted: deque[WriterFolder] = deque()
        self._active: Segment | None = None
        self._open: dict[Path, Segment] = {}
        self._outstanding = self._set_aside = 0
        self._passed_over: set[Path] = set()
        self._gap: int | None = None
        self._before: int | None = None
        self._place_unnoted = False
        self.trouble: OSError | None = None
        """What the last write that fell short was told by the disk; None where the bound was reached."""
        self.waiting = 0
        """Records that this process wrote and the broker does not have."""

    def append(self, records: Sequence[SpooledRecord]) -> int:
        """Write records behind all others; returns how many of the last of them found no room.

        Raises Hindered: the rest can be written later.
        """
        with self._lock:
            written = self._write(records)
            self.waiting += written
            trouble = self.trouble
            if written < len(records) and trouble is not None and trouble.errno in _PASSING:
                raise Hindered(written, trouble)
            return len(records) - written

    def put_back(self, records: Sequence[SpooledRecord]) -> int:
        """Write records that were captured before all others here; returns how many of the first have room.

        The others leave a gap: until they are put back, too, or :meth:`close_gap`, nothing behind it is read.
        """
        with self._lock:
            if not records:
                return 0
            first = records[0].captured_ns if self._gap is None else self._gap
            if self._gap is None and self._own is not None:
                first = self._own.place_before(first, len(records))
            active, self._active, self._before = self._active, None, first
            written = self._write(records)
            if self._active is not None:
                self._seal(self._active)
            self._gap = self._before if written < len(records) else None
            self._active, self._before = active, None
            if self._own is not None:
                self._own.reserve(first + len(records))
            self.waiting += written
            return written

    def close_gap(self) -> None:
        """What had no room is delivered, or lost: go on behind it."""
        with self._lock:
            self._gap = None

    @property
    def at_gap(self) -> bool:
        """Whether the next records are those that :meth:`put_back` had no room for."""
        with self._lock:
            if self._gap is None or self._outstanding or self._adopted:
                return False
            return not any(self._segments())

    def adopt(self) -> bool:
        """Take over what processes that have ended left; whether there is anything that waits."""
        with self._lock:
            known = {folder.path for folder in (*self._adopted, *([self._own] if self._own else ()))}
            for path in (path for folder in (self._folder, *self._kin()) for path in folders(folder)):
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

        What another process left comes to an end only once all of it is done, and what was put back before
        what is behind a gap.
        """
        with self._lock:
            while True:
                for segment in self._segments():
                    piece = segment.read(most)
                    if piece.records or piece.unreadable:
                        self._outstanding += 1
                        return Chunk(piece.records, piece.unreadable, segment, piece.end, piece.number)
                    if segment.all_consumed and segment is not self._active:
                        self._remove(segment)
                if self._set_aside:
                    lost, self._set_aside = self._set_aside, 0
                    self._outstanding += 1
                    return Chunk([], lost)
                if self._outstanding:
                    return None
                if not self._adopted:
                    if self._gap is None:
                        self.waiting = 0
                    return None
                self._adopted[0].release()
                self._adopted.popleft()

    def rewind(self, unfinished: Sequence[Chunk]) -> None:
        """Read again what was read and is not done; ``unfinished`` are all chunks of which that is true."""
        with self._lock:
            self._outstanding = 0
            self._set_aside += sum(chunk.unreadable for chunk in unfinished if chunk.segment is None)
            for segment in self._open.values():
                segment.rewind()

    def done(self, chunk: Chunk) -> None:
        """The broker has the chunk, or it is given up. A disk that does not take note of it is logged."""
        with self._lock:
            self._outstanding -= 1
            segment = chunk.segment
            if segment is None:
                return
            try:
                segment.consumed(chunk.end, chunk.number)
            except OSError as error:
                if not self._place_unnoted:
                    self._place_unnoted = True
                    logger.warning(
                        "The spool cannot note what is delivered (%s): look at the disk; events may be sent "
                        "twice, and count once.",
                        error,
                    )
            if self._own is not None and segment.path.parent == self._own.path:
                self.waiting = max(0, self.waiting - len(chunk.records) - chunk.unreadable)
            if segment.all_consumed and segment is not self._active:
                self._remove(segment)

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
            if self._active is not None:
                self._seal(self._active)
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
        self._outstanding = self._set_aside = 0
        self._gap = None

    def _segments(self) -> Iterator[Segment]:
        """What may hold records that can be sent now, in their order."""
        sources = [self._adopted[0]] if self._adopted else [self._own] if self._own else []
        for path in (path for folder in sources for path in folder.segments()):
            if not self._adopted and self._gap is not None and (order(path) or 0) >= self._gap:
                return
            segment = self._open.get(path) or (None if path in self._passed_over else self._opened(path))
            if segment is not None:
                self._open[path] = segment
                yield segment

    def _opened(self, path: Path) -> Segment | None:
        """A segment that another process left; None where it is none, and was set aside."""
        try:
            segment = Segment.open(path)
            why: object = "it is not what was written"
        except OSError as error:
            if error.errno in _PASSING:
                raise
            segment, why = None, error
        if segment is None:
            # A file would not have been made without an event; how many were in it nobody can tell.
            self._set_aside += stat.S_ISREG(path.lstat().st_mode)
            aside = path.with_name(f"{path.name}{SET_ASIDE}")
            try:
                path.rename(aside)
            except OSError:
                aside = path
                self._passed_over.add(path)
            logger.warning("A file of the spool cannot be read (%s): look at %s, and delete it.", why, aside)
        return segment

    def _remove(self, segment: Segment) -> None:
        self._open.pop(segment.path, None)
        try:
            segment.remove()
        except OSError as error:
            # Read again it would be sent again.
            self._passed_over.add(segment.path)
            logger.warning("A file of the spool stays although it is delivered (%s): %s", error, segment.path)

    def _seal(self, segment: Segment) -> None:
        # Without it the room is given back later, with the whole file.
        with suppress(OSError):
            segment.seal()

    def _write(self, records: Sequence[SpooledRecord]) -> int:
        """Append to the active segment and to new ones; returns how many were written.

        Where these are not all, ``trouble`` says why.
        """
        written = held = 0
        buffer = bytearray()
        try:
            for record in records:
                size = packed_size(record)
                segment = self._active
                if segment is None or segment.room < len(buffer) + size:
                    self._flush(buffer, held)
                    written, held = written + held, 0
                    segment = self._next_segment(record.captured_ns, size)
                    if segment is None:
                        self.trouble = None
                        return written
                buffer += pack(record, segment.count + held)
                held += 1
            self._flush(buffer, held)
        except OSError as error:
            # What was written before stays.
            self.trouble = error
            return written
        return written + held

    def _flush(self, buffer: bytearray, count: int) -> None:
        if buffer and self._active is not None:
            self._active.append(bytes(buffer), count)
        buffer.clear()

    def _next_segment(self, captured_ns: int, needed: int) -> Segment | None:
        """Begin another segment; None when the bound does not allow one.

        It comes behind all others of this process, or where :meth:`put_back` is.
        """
        if self._active is not None:
            self._seal(self._active)
            self._active = None
        with self._bound():
            size = min(self._segment_bytes, self._max_bytes - bytes_below(self._folder))
            if size < needed + OVERHEAD:
                return None
            if self._own is None:
                self._own = WriterFolder.create(self._folder)
            if self._before is None:
                path = self._own.new_segment(captured_ns)
            else:
                path, self._before = self._own.segment(self._before), self._before + 1
            segment = self._active = Segment.create(path, size)
        self._open[path] = segment
        return segment

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
