"""Publishes a case's records as a client does, as far and as fast as the case lets it."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from tests.faults.load import Record

EVENTS_PER_S = 5_000
"""Pace of publishing, so that events flow while the damage is done."""

PARTITION_UA = -1
"""The client chooses (``RD_KAFKA_PARTITION_UA`` in librdkafka's rdkafka.h)."""

PAUSE_S = 0.012
"""About the pause between two handfuls of records."""


class Publisher:
    """Publishes in a thread of its own; nothing flows before :meth:`release`.

    ``placed`` holds, for each record, the (partition, offset) that the broker has acknowledged, ``poison``
    why each body that is broken on purpose is refused. ``events_per_s`` may be set at any time.
    """

    def __init__(self, bootstrap: str, topic: str, records: Sequence[Record]) -> None:
        self.records = records
        self.events_per_s: float = EVENTS_PER_S
        self.poison = {record.body: record.poison for record in records if record.poison}
        self.placed: list[tuple[int, int] | None] = [None] * len(records)
        self._topic = topic
        self._released = 0
        self._acknowledged = 0
        self._failure: BaseException | None = None
        self._changed = threading.Condition()
        self._closing = False
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "compression.type": "zstd",
                "linger.ms": 5,
                "message.max.bytes": 2_000_000,
                "message.timeout.ms": 300_000,
                "reconnect.backoff.max.ms": 1_000,
                "log_level": 0,
            }
        )
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    @property
    def acknowledged(self) -> int:
        """Records that the broker has."""
        return self._acknowledged

    @property
    def released(self) -> int:
        """Records that may flow."""
        return self._released

    def release(self, share: float) -> None:
        """Let another share (0-1) of all the records flow; returns at once."""
        with self._changed:
            self._released = min(len(self.records), self._released + round(share * len(self.records)))
            self._changed.notify_all()

    def release_all(self) -> None:
        """Let the rest flow; returns at once."""
        self.release(1)

    def wait(self, seconds: float) -> None:
        """Return when the broker has all that was released.

        Raises:
            TimeoutError: it has not within ``seconds``.
            KafkaException: a record was refused.
        """
        with self._changed:
            done = self._changed.wait_for(
                lambda: self._failure is not None or self._acknowledged >= self._released, seconds
            )
        if self._failure is not None:
            raise self._failure
        if not done:
            raise TimeoutError(f"{self._released - self._acknowledged} records are not acknowledged")

    def wait_acknowledged(self, records: int, seconds: float) -> None:
        """Return when the broker has at least so many."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._acknowledged >= records, seconds):
                raise TimeoutError(f"the broker has {self._acknowledged} records, not {records}")

    def close(self) -> None:
        """Stop publishing."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._producer.purge()
        self._producer.flush(1)

    def _run(self) -> None:
        sent, due = 0, time.monotonic()
        while not self._closing:
            if sent == self._released:
                with self._changed:
                    self._changed.wait(0.02)
                self._producer.poll(0)
                due = time.monotonic()
                continue
            # A few at a time: a pause after each single one would be too short to keep.
            pace = self.events_per_s
            for number in range(sent, min(self._released, sent + max(1, round(pace * PAUSE_S)))):
                self._send(number)
                due += 1 / pace
                sent = number + 1
            while (left := due - time.monotonic()) > 0:
                self._producer.poll(left)

    def _send(self, number: int) -> None:
        record = self.records[number]
        partition = PARTITION_UA if record.partition is None else record.partition

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            self._note(number, error, message)

        while not self._closing:
            try:
                self._producer.produce(
                    self._topic, record.body, record.key, partition, on_delivery=acknowledged
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return

    def _note(self, number: int, error: KafkaError | None, message: Any) -> None:
        with self._changed:
            if error is not None:
                self._failure = KafkaException(error)
            else:
                self.placed[number] = message.partition(), message.offset()
                self._acknowledged += 1
            self._changed.notify_all()
