"""Keeps a fault of ours out of the program that we watch: it is logged, once for each kind."""

from __future__ import annotations

import logging
import threading
from types import TracebackType

logger = logging.getLogger("loopin_producers")


class Guard:
    """``with guard:`` swallows what is raised within, and logs the first of each kind.

    A kind is an error's code, or its class where it has none, so a fault in every request is one line of the
    log. ``BaseException`` passes: the end of the process and the cancelling of a task are no faults of ours.
    Safe to share by threads.

    Args:
        where: what does not work while it lasts, for the log line.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if not isinstance(error, Exception):
            return False
        code = str(getattr(error, "code", type(error).__name__))
        if self._is_new(code):
            reason = getattr(error, "reason", None) or f"{type(error).__name__} was raised."
            logger.warning(
                "%s: %s Further ones (%s) are not logged.", self._where, reason, code, exc_info=error
            )
        return True

    def _is_new(self, code: str) -> bool:
        with self._lock:
            known = code in self._known
            self._known.add(code)
        return not known
