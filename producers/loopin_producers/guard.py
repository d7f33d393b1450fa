"""Keeps a fault of ours out of the program that we watch: it is logged, once for each kind."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from math import inf
from time import monotonic
from types import TracebackType

from loopin_producers.errors import LoopinError
from loopin_schemas import InvalidEvent

logger = logging.getLogger("loopin_producers")


class Kinds:
    """Which kinds of something have been told. Safe to share by threads, and by a signal's handler.

    Args:
        most: kinds that are remembered; all beyond count as told, for who tells must not fill the log.
        new_after: how long (s) after it was told a kind is new again; never by itself by default.
        clock: says the time (s).
    """

    def __init__(
        self, most: int = 1_000, *, new_after: float = inf, clock: Callable[[], float] = monotonic
    ) -> None:
        self._most = most
        self._new_after = new_after
        self._clock = clock
        self._known: dict[str, float] = {}
        self._lock = threading.RLock()

    def __contains__(self, kind: str) -> bool:
        return kind in self._known

    def is_new(self, kind: str) -> bool:
        """Whether it comes for the first time, or again after long; from now on it does not."""
        if kind in self._known and self._new_after == inf:
            return False
        with self._lock:
            now, told = self._clock(), self._known.get(kind)
            new = len(self._known) < self._most if told is None else now - told >= self._new_after
            if new:
                self._known[kind] = now
        return new

    def forget(self) -> None:
        """All kinds are new again."""
        with self._lock:
            self._known.clear()


class Guard:
    """``with guard:`` swallows what is raised within, and logs the first of each kind.

    A kind is that of an error of ours, or the class of any other, so a fault in every request is one line of
    the log. ``BaseException`` passes: the end of the process and the cancelling of a task are no faults of
    ours. Safe to share by threads.

    Args:
        where: what does not work while it lasts, a sentence for the log.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._known = Kinds()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        self.note(error)
        return True

    def note(self, error: Exception) -> None:
        """Log the first of each kind: for an ``except`` of code that must not pay for a ``with``."""
        kind, reason = _told(error)
        if self._known.is_new(kind):
            # What was made without being raised has nothing to add to its sentence.
            raised = error if error.__traceback__ is not None else None
            logger.warning(
                "%s %s Further ones (%s) are not logged.", self._where, reason, kind, exc_info=raised
            )

    def forget(self) -> None:
        """It works again: of what comes now, the first of each kind is logged anew."""
        self._known.forget()


def _told(error: Exception) -> tuple[str, str]:
    """Kind and sentence of an error of ours; the class of any other, with the rest in the traceback."""
    if isinstance(error, LoopinError):
        return error.kind, error.reason
    if isinstance(error, InvalidEvent):
        return error.code, error.reason
    return type(error).__name__, f"{type(error).__name__} was raised."
