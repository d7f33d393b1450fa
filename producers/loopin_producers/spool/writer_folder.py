"""The segments of one process, and the lock that tells whether it lives."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, Self
from uuid import uuid4

_LOCK: Final = "lock"
_UNFINISHED: Final = ".new-"
SUFFIX: Final = ".events"
SET_ASIDE: Final = ".unreadable"


class WriterFolder:
    """A locked folder: of this process, or taken over from one that has ended.

    The lock is ``flock``'s, which the kernel gives back whatever ends the process. A forked child has to
    close its copy (:meth:`forget`), or the folder would stay locked while that child lives.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock
        self._newest = 0

    @classmethod
    def create(cls, parent: Path) -> Self:
        """A new folder below ``parent``, locked before anybody can see it. Raises OSError."""
        name = f"{time.time_ns():020d}-{os.getpid()}-{uuid4().hex[:8]}"
        unfinished = parent / f"{_UNFINISHED}{name}"
        unfinished.mkdir(mode=0o700)
        try:
            lock = os.open(unfinished / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            unfinished.rmdir()
            raise
        fcntl.flock(lock, fcntl.LOCK_EX)
        unfinished.rename(parent / name)
        return cls(parent / name, lock)

    @classmethod
    def take_over(cls, path: Path) -> Self | None:
        """The folder of a process that has ended, or None while its owner lives."""
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if (path / _LOCK).exists():
                return cls(path, lock)
        except OSError:
            pass
        # Somebody lives, or has just removed the folder.
        os.close(lock)
        return None

    def segments(self) -> list[Path]:
        """Its segment files, oldest events first."""
        named = [(order(path), path) for path in self.path.glob(f"*{SUFFIX}")]
        return [path for _, path in sorted((place, path) for place, path in named if place is not None)]

    def new_segment(self, captured_ns: int) -> Path:
        """A path behind all segments, for events from ``captured_ns`` (epoch ns) on.

        Clocks may step back: the order of the names is what counts, not the time they show.
        """
        self._newest = max([captured_ns, self._newest + 1, *(name + 1 for name in self._names())])
        return self.segment(self._newest)

    def place_before(self, captured_ns: int, count: int) -> int:
        """The first of ``count`` names for :meth:`segment` that come before all segments."""
        return min([captured_ns, *(name - count for name in self._names())])

    def reserve(self, name: int) -> None:
        """No :meth:`new_segment` gets this name, or one before it."""
        self._newest = max(self._newest, name)

    def segment(self, name: int) -> Path:
        """The path of a segment by its name."""
        return self.path / f"{name:020d}{SUFFIX}"

    def _names(self) -> list[int]:
        return [name for path in self.segments() if (name := order(path)) is not None]

    def release(self) -> None:
        """Unlock it, and remove it if it holds nothing; others may take over what is left."""
        if not any(self.segments()) and not any(self.path.glob(f"*{SET_ASIDE}")):
            shutil.rmtree(self.path, ignore_errors=True)
        self.forget()

    def forget(self) -> None:
        """Close this process's copy of the lock."""
        with suppress(OSError):
            os.close(self._lock)


def order(path: Path) -> int | None:
    """The number that a segment is named by, or None of another file."""
    try:
        return int(path.stem)
    except ValueError:
        return None


def folders(parent: Path) -> Iterator[Path]:
    """The folders of all processes below ``parent``, oldest first."""
    for path in sorted(parent.iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            yield path


def bytes_below(parent: Path) -> int:
    """Bytes of all segment files below ``parent``; those that vanish meanwhile do not count.

    Nor do those that were set aside: nobody delivers them, so their room would never be free again.
    """
    total = 0
    for folder in folders(parent):
        for path in (*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*{SUFFIX}.new")):
            with suppress(OSError):
                total += path.lstat().st_size
    return total
