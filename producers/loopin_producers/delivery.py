"""Between ``capture()`` and a transport: what cannot go at once waits on disk, and order holds.

Usually a record goes straight to the transport (*direct*). When the transport has no room, fails a record, or
nobody can be reached, and from the beginning where a process that has ended left records, the records go to
the spool, and one thread delivers from there, oldest first, until there are none; then it is direct again.

A signal handler, or a finalizer, may capture while its own thread is in here: the locks that
:meth:`Delivery.send` takes are re-entrant, and it waits for nothing else that its own thread may hold.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from loopin_producers.channel import logger
from loopin_producers.errors import (
    ClientClosed,
    DeliveryFailed,
    QueueFull,
    SpoolFull,
    SpoolUnreadable,
)
from loopin_producers.resender import PIECE, YIELD_S, Hooks, Resender, pieces
from loopin_producers.spool import Chunk, Hindered, Spool, SpooledRecord
from loopin_producers.transport import Transport

_ADOPT_EVERY_S: Final = 30.0
"""How often a client looks for what processes that have ended left."""

_LOOK_S: Final = 0.02
_PAUSE_S: Final = 1.0
_FLUSH_LOOK_S: Final = 0.005
_PIECE: Final = 500
"""Records that failed and had no room on disk, sent before their acknowledgements are waited for."""

_CHUNK: Final = 2_000
"""Records sent from the spool before their acknowledgements are waited for."""

_SPOOL_FULL: Final = "Events dropped, the spool is full: see to the broker, or raise spool_max_bytes."
_DISK_REFUSES: Final = "Events dropped, the disk does not take them ({}): see to it, and to the broker."
_HELP: Final = 64
"""Events that ``capture()`` writes to the spool itself when too many wait in memory."""

_UNREADABLE: Final = "Events in the spool cannot be read back: look at the disk; the others are delivered."


class Delivery:
    """Delivers records in order, by way of the spool where that is needed.

    Args:
        transport: the way to the system.
        spool: None reports what cannot be sent, instead of keeping it.
        hooks: what the client wants to know.
        durable: write every record to the spool before :meth:`send` returns.
        max_waiting: records in memory that may wait for the spool's thread.
    """

    def __init__(
        self, transport: Transport, spool: Spool | None, hooks: Hooks, *, durable: bool, max_waiting: int
    ) -> None:
        self._transport = transport
        self._spool = spool
        self._hooks = hooks
        self._durable = durable
        self._max_waiting = max_waiting
        self._lock = threading.RLock()
        self._writing = threading.Lock()
        self._keeping = False
        self._bell: SimpleQueue[None] = SimpleQueue()
        self._rung = False
        self._idle = True
        self._closing = self._stopping = False
        self._direct = True
        self._down = False
        self._draining = False
        self._settle = self._settled
        self._waiting: deque[SpooledRecord] = deque()
        self._failed: deque[SpooledRecord] = deque()
        self._lost = self._untold = 0
        self._thread: threading.Thread | None = None
        if spool is not None:
            self._resender = Resender(
                transport,
                hooks,
                stopping=lambda: self._stopping,
                meanwhile=lambda: self._spill_if_possible(spool),
            )
            if self._adopt(spool) or durable:
                self._leave_direct()
            self._thread = threading.Thread(target=self._run, args=(spool,), name="loopin-spool", daemon=True)
            self._thread.start()

    def send(self, record: SpooledRecord) -> None:
        """Deliver the record in time; returns at once.

        Raises:
            ClientClosed: after :meth:`close`.
            QueueFull: there is no spool, and no room.
            DeliveryFailed: it can never be sent.
        """
        with self._lock:
            if self._closing:
                raise ClientClosed("Event dropped: capture before shutdown(), or make another client.")
            if self._direct:
                try:
                    self._transport.send(record, self._settle)
                    return
                except (QueueFull, DeliveryFailed) as error:
                    if self._spool is None or (isinstance(error, DeliveryFailed) and error.final):
                        raise
                    self._leave_direct()
            lost = self._keep([record])
            untold, self._untold = self._untold, 0
        self._wake()
        self._drop(lost + untold)

    def keep(self, records: Sequence[SpooledRecord]) -> int:
        """Write records to the spool; returns how many of the last found no room. For durable deliveries.

        Raises:
            ClientClosed: after :meth:`close`.
        """
        with self._lock:
            if self._closing:
                raise ClientClosed("Event dropped: capture before shutdown(), or make another client.")
            lost = self._keep(records)
            untold, self._untold = self._untold, 0
        self._wake()
        self._drop(untold)
        return lost

    def down(self) -> None:
        """Nobody can be reached: what is in memory is better off on disk."""
        if self._spool is not None:
            with self._lock:
                self._down = True
                self._leave_direct()

    @property
    def is_down(self) -> bool:
        """Whether something waits for somebody who could not be reached, and acknowledged nothing since."""
        return self._down and not self._idle

    @property
    def spooled(self) -> int:
        """Records of this process that wait on disk."""
        return 0 if self._spool is None else self._spool.waiting

    @property
    def spool_empty(self) -> bool:
        """Whether nothing waits on disk, of this process or of another that has ended."""
        return self._spool is None or self._spool.empty

    @property
    def undelivered(self) -> int:
        """Records that are not acknowledged yet, wherever they wait."""
        # What is being sent from the spool counts there.
        queued = 0 if self._draining else self._transport.counts[0]
        return queued + len(self._waiting) + len(self._failed) + self.spooled

    @property
    def acknowledged(self) -> int:
        """Records acknowledged, those taken over from other processes included."""
        return self._transport.counts[1]

    def flush(self, timeout: float) -> int:
        """Wait up to ``timeout`` (s) until everything is delivered; returns how many records are not.

        It does not wait within a callback: what it would wait for waits for the callback.
        """
        if self._transport.is_settling_here or threading.current_thread() is self._thread:
            return self.undelivered
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            if self._idle:
                done = self._transport.wait_below(1, left) and self._idle
            else:
                time.sleep(min(left, _FLUSH_LOOK_S))
                done = self._idle
            if done and self.undelivered == 0:
                return 0
            if time.monotonic() >= deadline:
                return self.undelivered

    def close(self, timeout: float) -> int:
        """Deliver within ``timeout`` (s), keep the rest in the spool, stop; returns how many were not."""
        with self._lock:
            self._closing = True
        spool = self._spool
        if spool is None:
            return self._transport.close(timeout)
        self.flush(timeout)
        self._stopping = True
        self._wake()
        if self._thread is not None and threading.current_thread() is not self._thread:
            self._thread.join()
        self._transport.close(0)
        self._put_back(spool)
        self._spill_if_possible(spool)
        lost = len(self._failed) + len(self._waiting)
        unsent = spool.waiting + lost
        self._drop(lost)
        self._failed.clear()
        self._waiting.clear()
        spool.close()
        return unsent

    def abandon(self) -> None:
        """Drop what a forked child has inherited: it is still the parent's to deliver."""
        self._transport.abandon()
        if self._spool is not None:
            self._spool.abandon()

    def _wake(self) -> None:
        """Make the spool's thread look. An event's lock could be held by what a signal has interrupted."""
        if not self._rung:
            self._rung = True
            self._bell.put(None)

    def _leave_direct(self) -> None:
        """Send new records by way of the spool; the caller holds the lock."""
        self._direct = self._idle = False
        self._wake()

    def _keep(self, records: Sequence[SpooledRecord]) -> int:
        """Keep records for the spool's thread; returns how many of the last found no room.

        The caller holds the lock.
        """
        self._idle = False
        if self._spool is None:
            return len(records)
        if self._keeping or threading.current_thread() is self._thread:
            # This interrupts what writes to the spool; it, or the thread, takes them along.
            self._waiting.extend(records)
            return 0
        self._keeping = True
        try:
            return self._keep_alone(self._spool, records)
        finally:
            self._keeping = False

    def _keep_alone(self, spool: Spool, records: Sequence[SpooledRecord]) -> int:
        if self._durable:
            try:
                lost = spool.append(records)
            except Hindered as hindered:
                return len(records) - hindered.written
            if self._waiting:
                with suppress(Hindered):
                    # Told of once the lock is free: a callback may wait for what waits for it.
                    self._untold += self._write(spool, len(self._waiting))
            return lost
        self._waiting.extend(records)
        if len(self._waiting) <= self._max_waiting:
            return 0
        # Events that come faster than the spool's thread writes are written here: no loss comes first.
        try:
            return self._write(spool, _HELP)
        except Hindered:
            return self._forget_newest()

    def _write(self, spool: Spool, most: int) -> int:
        """Write to the spool the oldest that wait in memory; returns how many of them found no room.

        Raises Hindered: the others wait in memory as before.
        """
        with self._writing:
            oldest = [self._waiting.popleft() for _ in range(min(most, len(self._waiting)))]
            try:
                return spool.append(oldest)
            except Hindered as hindered:
                self._waiting.extendleft(reversed(oldest[hindered.written :]))
                raise

    def _forget_newest(self) -> int:
        """Let go of the records in memory beyond the bound; returns how many. The caller holds the lock."""
        with self._writing:
            count = max(0, len(self._waiting) - self._max_waiting)
            for _ in range(count):
                self._waiting.pop()
            return count

    def _drop(self, count: int) -> None:
        if count:
            self._lost += count
            trouble = None if self._spool is None else self._spool.trouble
            reason = _SPOOL_FULL if trouble is None else _DISK_REFUSES.format(trouble.strerror or trouble)
            self._hooks.dropped(count, SpoolFull(reason))

    def _settled(
        self, record: SpooledRecord, failure: DeliveryFailed | None, partition: int, offset: int
    ) -> None:
        """What became of a record that was sent directly."""
        if failure is None:
            self._hooks.delivered(record, partition, offset)
        elif failure.final or self._spool is None:
            self._hooks.failed(record, failure)
        else:
            self._failed.append(record)
            with self._lock:
                first = self._direct
                self._leave_direct()
            if first:
                # At once: what was captured later must not overtake this.
                self._transport.purge(in_flight=False)

    def _run(self, spool: Spool) -> None:
        while not self._stopping:
            try:
                self._bell.get(timeout=_ADOPT_EVERY_S)
            except Empty:
                if self._adopt(spool):
                    with self._lock:
                        self._leave_direct()
            self._rung = False
            while not self._stopping and not self._caught_up(spool):
                try:
                    self._step(spool)
                except Exception:
                    # A broken disk, most likely; what is in memory stays there.
                    logger.exception("The spool failed; trying again.")
                    time.sleep(_PAUSE_S)

    def _adopt(self, spool: Spool) -> bool:
        """Take over what processes that have ended left; whether there is anything that waits."""
        try:
            return spool.adopt()
        except OSError:
            logger.exception("What other processes left in the spool cannot be looked for; trying again.")
            return False

    def _caught_up(self, spool: Spool) -> bool:
        """Whether nothing waits any more; if so, records go directly from now on.

        While nobody is known to be there they go by way of the disk, until the first is acknowledged.
        """
        with self._lock:
            if self._direct:
                return True
            if self._waiting or self._failed or self._transport.counts[0] or not spool.empty:
                return False
            self._direct = not self._durable and not self._down
            self._idle = True
            lost, self._lost = self._lost, 0
        if not self._durable:
            spool.tidy()
        if lost:
            self._hooks.recovered(lost)
        return True

    def _step(self, spool: Spool) -> None:
        """Write what came, wait for what was sent directly, then send from the spool."""
        if self._transport.counts[0]:
            self._spill(spool)
            if self._failed or self._down:
                # The rest would fail too, later; and newer records must not overtake those that failed.
                self._transport.purge(in_flight=False)
            self._transport.wait_below(1, _LOOK_S)
            return
        # The older records first, for what room there is.
        self._put_back(spool)
        self._spill(spool)
        if self._failed and spool.at_gap:
            self._send_failed(spool)
        else:
            self._drain(spool)

    def _spill(self, spool: Spool) -> None:
        """Write to the spool what was captured since. Raises Hindered."""
        while waiting := len(self._waiting):
            self._drop(self._write(spool, max(PIECE, waiting // 8)))
            time.sleep(YIELD_S)

    def _spill_if_possible(self, spool: Spool) -> None:
        with suppress(Hindered):
            self._spill(spool)

    def _take_failed(self) -> list[SpooledRecord]:
        """What failed, in the order in which it was captured."""
        failed = sorted(self._failed, key=_age)
        self._failed.clear()
        return failed

    def _put_back(self, spool: Spool) -> None:
        """Write to the spool what failed, before everything else; what has no room stays in memory."""
        failed, written = self._take_failed(), 0
        try:
            written = spool.put_back(failed)
        finally:
            self._failed.extend(failed[written:])

    def _send_failed(self, spool: Spool) -> None:
        """Send from memory what failed and has no room on disk; then what was captured after it."""
        self._draining = True
        try:
            while self._failed:
                piece = [self._failed[at] for at in range(min(_PIECE, len(self._failed)))]
                if not self._resender.deliver(pieces(piece)):
                    return
                self._down = False
                for _ in piece:
                    self._failed.popleft()
            spool.close_gap()
        finally:
            self._draining = False

    def _drain(self, spool: Spool) -> None:
        """Send the oldest records of the spool until they are acknowledged."""
        chunks: deque[Chunk] = deque()
        self._draining = True
        try:
            if not self._resender.deliver(self._read(spool, chunks)):
                return
            if not chunks:
                # Nothing to read and yet something that waits: no reason to ask again without a pause.
                time.sleep(_LOOK_S)
                return
            self._down = False
            while chunks:
                chunk = chunks.popleft()
                spool.done(chunk)
                if chunk.unreadable:
                    self._hooks.dropped(chunk.unreadable, SpoolUnreadable(_UNREADABLE))
        except Exception:
            spool.rewind(chunks)
            raise
        finally:
            self._draining = False

    def _read(self, spool: Spool, chunks: deque[Chunk]) -> Iterator[Sequence[SpooledRecord]]:
        """The records of the next chunks, which are noted in ``chunks``."""
        count = 0
        while count < _CHUNK:
            try:
                chunk = spool.next_chunk(PIECE)
            except OSError:
                if not chunks:
                    raise
                # What was read before goes its way; the next round meets the error again, or does not.
                return
            if chunk is None:
                return
            chunks.append(chunk)
            count += len(chunk.records)
            yield chunk.records


def _age(record: SpooledRecord) -> int:
    return record.captured_ns
