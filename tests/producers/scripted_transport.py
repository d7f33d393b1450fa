"""A transport that does what a test says, instead of a broker."""

from __future__ import annotations

import threading
from collections import deque

from loopin_producers.errors import DeliveryFailed, QueueFull
from loopin_producers.spool import SpooledRecord
from loopin_producers.transport import Settle


class ScriptedTransport:
    """Keeps records until told what becomes of them.

    ``auto`` acknowledges everything at once; ``refused`` are uuids that fail for ever; ``unknown_topic``
    takes nothing at all, as librdkafka does while there is no topic.
    """

    def __init__(self, room: int = 1_000_000, auto: bool = True) -> None:
        self.room = room
        self.auto = auto
        self.refused: set[str] = set()
        self.unknown_topic = False
        self.arrived: list[SpooledRecord] = []
        self.settles_in: threading.Thread | None = None
        self.queue: deque[tuple[SpooledRecord, Settle]] = deque()
        self._changed = threading.Condition()
        # Records do not time out and arrive at the same moment.
        self._turn = threading.RLock()
        self._acknowledged = self._failed = self._settling = 0

    @property
    def counts(self) -> tuple[int, int, int]:
        with self._changed:
            return self._queued(), self._acknowledged, self._failed

    def _queued(self) -> int:
        return len(self.queue) + self._settling

    def send(self, record: SpooledRecord, settle: Settle) -> None:
        with self._changed:
            if self._queued() >= self.room:
                raise QueueFull("no room")
            if self.unknown_topic:
                raise DeliveryFailed("no such topic", kafka_error="_UNKNOWN_TOPIC")
            self.queue.append((record, settle))
        while self.auto and self.queue and self._turn.acquire(blocking=False):
            self._acknowledge(1_000_000)
            self._turn.release()

    def acknowledge(self, count: int = 1_000_000) -> None:
        """The system takes the oldest records."""
        with self._turn:
            self._acknowledge(count)

    def _acknowledge(self, count: int) -> None:
        while count and (taken := self._take()) is not None:
            record, settle = taken
            failure = None
            if record.uuid in self.refused:
                failure = DeliveryFailed("refused", kafka_error="MSG_SIZE_TOO_LARGE", final=True)
            else:
                self.arrived.append(record)
            self._settle(record, settle, failure)
            count -= 1

    def fail(self, count: int = 1_000_000, *, arrived: bool = False) -> None:
        """The oldest records time out; ``arrived``: though the system has them."""
        with self._turn:
            while count and (taken := self._take()) is not None:
                record, settle = taken
                if arrived:
                    self.arrived.append(record)
                self._settle(record, settle, DeliveryFailed("timed out", kafka_error="_MSG_TIMED_OUT"))
                count -= 1

    def _take(self) -> tuple[SpooledRecord, Settle] | None:
        with self._changed:
            if not self.queue:
                return None
            self._settling += 1
            return self.queue.popleft()

    def _settle(self, record: SpooledRecord, settle: Settle, failure: DeliveryFailed | None) -> None:
        settle(record, failure, 0, 0)
        with self._changed:
            self._settling -= 1
            self._acknowledged += failure is None
            self._failed += failure is not None
            self._changed.notify_all()

    def wait_below(self, limit: int, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._queued() < limit, timeout)

    def purge(self, *, in_flight: bool) -> None:
        self.fail()

    def close(self, timeout: float) -> int:
        unsent = self.counts[0]
        self.fail()
        return unsent

    @property
    def is_settling_here(self) -> bool:
        return threading.current_thread() is self.settles_in

    def abandon(self) -> None:
        pass
