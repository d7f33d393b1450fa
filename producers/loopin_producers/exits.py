"""Clients at the end of a process, and in its forked children.

Nobody has to call ``shutdown()``: whatever ends a process in an orderly way delivers what is queued first.
Only kill -9 and a power cut do not; see ``durable``.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import sys
import time
from multiprocessing.util import Finalize
from typing import Final, Protocol
from weakref import WeakSet

logger = logging.getLogger("loopin_producers")

EXIT_TIMEOUT_S: Final = 10.0
"""How long the end of the process waits for clients that were not shut down."""

DOWN_TIMEOUT_S: Final = 1.0
"""How long it waits for those that could not reach anybody: their events are in the spool."""

_LOOK_S: Final = 0.1


class Client(Protocol):
    """What ends and forks do to a client."""

    @property
    def is_down(self) -> bool: ...
    def flush(self, timeout: float) -> int: ...
    def shutdown(self, timeout: float) -> int: ...
    def abandon_after_fork(self) -> None: ...


_clients: WeakSet[Client] = WeakSet()
_open_clients: set[Client] = set()


def register(client: Client) -> None:
    """From now on forked children get a client of their own."""
    _clients.add(client)


def opened(client: Client) -> None:
    """The client has something to lose."""
    _open_clients.add(client)
    if multiprocessing.parent_process() is not None:
        # multiprocessing ends its children past atexit, and clears older finalizers there.
        Finalize(None, shut_down_all, exitpriority=0)
    if "celery" in sys.modules:
        # billiard, Celery's multiprocessing, ends its children past atexit as well.
        from celery.signals import worker_process_shutdown

        worker_process_shutdown.connect(_celery_worker_ends, dispatch_uid="loopin")


def closed(client: Client) -> None:
    """The client has nothing to lose any more."""
    _open_clients.discard(client)


def shut_down_all() -> None:
    """Deliver what every client of this process has queued."""
    for client in tuple(_open_clients):
        deadline = time.monotonic() + EXIT_TIMEOUT_S
        # A short program ends before its client has noticed that nobody answers.
        while not client.is_down and time.monotonic() < deadline and client.flush(_LOOK_S):
            pass
        left = DOWN_TIMEOUT_S if client.is_down else max(0.0, deadline - time.monotonic())
        client.shutdown(left)


def _celery_worker_ends(**_: object) -> None:
    shut_down_all()


def _after_fork() -> None:
    for client in tuple(_clients):
        try:
            client.abandon_after_fork()
        except Exception:
            # The others must not be left with locks of threads that are not here.
            logger.exception("A client could not be made anew in a forked process.")
    _open_clients.clear()


atexit.register(shut_down_all)
os.register_at_fork(after_in_child=_after_fork)
