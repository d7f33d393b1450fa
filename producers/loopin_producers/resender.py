"""Sends records that are kept until they are acknowledged, as often as that takes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from loopin_producers.errors import DeliveryFailed, LoopinError, QueueFull
from loopin_producers.spool import SpooledRecord
from loopin_producers.transport import Transport

PIECE: Final = 8
YIELD_S: Final = 0.00005
"""After so many records a background thread lets go of the interpreter, so that no caller waits for it."""

_LOOK_S: Final = 0.02
_PAUSE_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Hooks:
    """What the client wants to know; called in background threads, except ``dropped``.

    ``failed`` is told of a record given up, ``dropped`` of how many records found no room or could not be
    read back and why, ``recovered`` of how many were dropped before everything was delivered again.
    """

    delivered: Callable[[SpooledRecord, int, int], object]
    failed: Callable[[SpooledRecord, LoopinError], object]
    dropped: Callable[[int, LoopinError], object]
    recovered: Callable[[int], object]


class Resender:
    """Sends again what fails, in the order in which it was captured.

    Args:
        transport: has nothing else to send meanwhile.
        hooks: told what becomes of the records.
        stopping: whether to give up, and leave the rest to others.
        meanwhile: called several times a second.
    """

    def __init__(
        self,
        transport: Transport,
        hooks: Hooks,
        *,
        stopping: Callable[[], bool],
        meanwhile: Callable[[], object],
    ) -> None:
        self._transport = transport
        self._hooks = hooks
        self._stopping = stopping
        self._meanwhile = meanwhile

    def deliver(self, batches: Iterable[Sequence[SpooledRecord]]) -> bool:
        """Send until every record is acknowledged or given up; False when told to stop before.

        After a failure nothing more is sent until what is under way has come to an end, so that no record
        overtakes one that failed.
        """
        source = iter(batches)
        todo: deque[SpooledRecord] = deque()
        while True:
            failed = _Failed(self._transport)
            while not failed.records and not self._stopping():
                if not todo:
                    todo.extend(next(source, ()))
                if not todo:
                    break
                self._offer(todo, failed)
            if not self._settle(failed):
                return False
            if not failed.records:
                return not todo
            todo.extendleft(sorted(failed.records, key=lambda record: -record.captured_ns))
            self._wait(_PAUSE_S)

    def _offer(self, todo: deque[SpooledRecord], failed: _Failed) -> None:
        """Give some records to the transport, and the interpreter to others."""
        settle = partial(self._settled, failed)
        for _ in range(min(PIECE, len(todo))):
            try:
                with failed.lock:
                    if failed.records:
                        return
                    self._transport.send(todo[0], settle)
            except QueueFull:
                self._wait(_LOOK_S)
                return
            except DeliveryFailed as error:
                self._settled(failed, todo.popleft(), error, -1, -1)
                return
            todo.popleft()
        self._wait(YIELD_S)

    def _settle(self, failed: _Failed) -> bool:
        """Wait until the transport has nothing left; False when told to stop before."""
        while not self._transport.wait_below(1, _LOOK_S):
            if failed.records:
                # What was in flight may be queued once more, to be tried again.
                self._transport.purge(in_flight=False)
            self._meanwhile()
            if self._stopping():
                return False
        return True

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self._stopping():
            self._meanwhile()
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_S))

    def _settled(
        self,
        failed: _Failed,
        record: SpooledRecord,
        failure: DeliveryFailed | None,
        partition: int,
        offset: int,
    ) -> None:
        if failure is None:
            self._hooks.delivered(record, partition, offset)
        elif failure.final:
            self._hooks.failed(record, failure)
        else:
            failed.note(record)


class _Failed:
    """What failed since nothing was under way; from the first on, the transport holds nothing back."""

    def __init__(self, transport: Transport) -> None:
        self.records: list[SpooledRecord] = []
        self.lock = threading.Lock()
        self._transport = transport

    def note(self, record: SpooledRecord) -> None:
        """Note a record; what was sent after the first one is taken back at once, before it overtakes."""
        with self.lock:
            first = not self.records
            self.records.append(record)
        if first:
            self._transport.purge(in_flight=False)


def pieces(records: Sequence[SpooledRecord]) -> Iterator[Sequence[SpooledRecord]]:
    """The records by ``PIECE``."""
    return (records[start : start + PIECE] for start in range(0, len(records), PIECE))
