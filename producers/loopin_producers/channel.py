"""The Kafka side of the client: one idempotent producer, one background thread, exact counts."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from loopin_producers.errors import ClientClosed, DeliveryFailed, InvalidConfiguration, QueueFull
from loopin_producers.kafka_log import KafkaLog

logger = logging.getLogger("loopin_producers")
# Without a handler of ours, Python prints warnings of a library to stderr in programs that set up no logging.
logger.addHandler(logging.NullHandler())

Done = Callable[[DeliveryFailed | None, int, int], None]
"""Called once per accepted record with the failure or None, the partition and the offset."""

_POLL_S = 0.1
_PURGE_S = 10.0
_LOOK_S = 0.02

_FINAL = frozenset({"MSG_SIZE_TOO_LARGE", "INVALID_RECORD", "_INVALID_ARG", "RECORD_LIST_TOO_LARGE"})
"""What the broker, or librdkafka, says of a record that it will never take."""

FIXED: Mapping[str, Any] = {
    # A user's events stay in order in one partition, whoever publishes them.
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    "acks": "all",
}
DEFAULTS: Mapping[str, Any] = {
    "compression.type": "lz4",
    "linger.ms": 10,
    "queue.buffering.max.kbytes": 256 * 1024,
    "client.id": "loopin",
}


def producer_config(bootstrap_servers: str, max_queue_size: int, extra: Mapping[str, Any]) -> dict[str, Any]:
    """librdkafka's configuration: the defaults, the caller's options, and what may not be changed.

    Raises:
        InvalidConfiguration: an option that would break the order or the delivery of events.
    """
    for name, value in FIXED.items():
        if name in extra and str(extra[name]).lower() not in (
            str(value).lower(),
            "-1" if name == "acks" else "",
        ):
            raise InvalidConfiguration(f"Remove {name} from config: the client needs {name}={value}.")
    return {
        **DEFAULTS,
        "queue.buffering.max.messages": max_queue_size,
        **extra,
        **FIXED,
        "bootstrap.servers": bootstrap_servers,
    }


class Channel:
    """A producer with its delivery thread.

    Every accepted record is settled exactly once, delivered or failed. ``Done`` callbacks run in the
    background thread; one that raises is logged. Safe to share by threads, not by processes.

    Args:
        config: librdkafka's configuration.
        only_failures: call ``done`` for records that failed only. A callback takes the interpreter from the
            caller's threads for every record: half of what ``capture()`` costs at its 99th percentile.
        on_down: called in the background thread when no broker can be reached.

    Raises:
        InvalidConfiguration: librdkafka refuses the options.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        only_failures: bool = False,
        on_down: Callable[[], object] | None = None,
    ) -> None:
        self._fatal = threading.Event()
        self._log = KafkaLog()
        self._acknowledged: int | None = None
        # The callback holds the flag, not the channel: a cycle would keep the connections open until a
        # garbage collection.
        self._config = {
            **config,
            "error_cb": partial(_on_error, self._log, self._fatal, on_down),
            "delivery.report.only.error": only_failures,
        }
        self._producer: Producer | None = self._make_producer()
        self._retired: Producer | None = None
        # Taken itself for every event: the condition's own way in is a function of Python's. A signal handler
        # may capture while its thread holds it.
        self._lock = threading.RLock()
        self._settled = threading.Condition(self._lock)
        self._accepted = self._failed = self._reported = 0
        self._only_failures = only_failures
        self._closing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="loopin-delivery", daemon=True)
        self._thread.start()

    def _make_producer(self) -> Producer:
        try:
            return Producer(self._config, logger=self._log)
        except (KafkaException, TypeError, ValueError) as error:
            raise InvalidConfiguration(f"Correct the Kafka options: {_describe(error)}.") from error

    @property
    def counts(self) -> tuple[int, int, int]:
        """Records queued, delivered and failed so far."""
        with self._lock:
            queued = self._queued()
            return queued, self._accepted - self._failed - queued, self._failed

    @property
    def is_settling_here(self) -> bool:
        """Whether this is the thread that calls ``done``."""
        return threading.current_thread() is self._thread

    def _queued(self) -> int:
        if not self._only_failures:
            return self._accepted - self._reported
        # Nobody tells of a success; librdkafka knows how many it still has, but counts its own events too.
        held = sum(len(producer) for producer in (self._producer, self._retired) if producer is not None)
        return min(held, self._accepted - self._failed)

    def send(self, topic: str, key: bytes | None, value: bytes, done: Done) -> None:
        """Queue a record; returns at once.

        Raises:
            QueueFull: no room.
            ClientClosed: ``close`` has been called.
            DeliveryFailed: the producer cannot take this record at all (e.g. it is too large).
        """
        with self._lock:
            producer = self._producer
            if self._closing or producer is None:
                raise ClientClosed("Event dropped: capture before shutdown(), or make another client.")
            self._accepted += 1
        try:
            producer.produce(topic, value=value, key=key, on_delivery=_Report(self, done))
        except BufferError:
            self._withdraw()
            raise QueueFull(
                "Event dropped, the queue is full: check that the broker answers, or raise max_queue_size."
            ) from None
        except KafkaException as error:
            self._withdraw()
            raise _delivery_failed(error.args[0]) from error

    def _withdraw(self) -> None:
        with self._settled:
            self._accepted -= 1
            self._settled.notify_all()

    def wait_below(self, limit: int, timeout: float) -> bool:
        """Wait until fewer than ``limit`` records are queued; False when ``timeout`` (s) passes first."""
        deadline = time.monotonic() + timeout
        with self._settled:
            while self._queued() >= limit:
                left = deadline - time.monotonic()
                # A callback that waited here would wait for itself.
                if left <= 0 or threading.current_thread() is self._thread:
                    return False
                self._settled.wait(min(left, _LOOK_S) if self._only_failures else left)
            return True

    def purge(self, *, in_flight: bool) -> None:
        """Fail what waits to be sent, and ``in_flight`` also what the broker may already have."""
        if self._producer is not None:
            self._producer.purge(in_queue=True, in_flight=in_flight, blocking=False)

    def close(self, timeout: float) -> int:
        """Deliver what is queued within ``timeout`` (s), fail the rest, stop. Returns how many failed."""
        with self._settled:
            self._closing = True
        self.wait_below(1, timeout)
        unsent = self.counts[0]
        if unsent:
            self.purge(in_flight=True)
            self.wait_below(1, _PURGE_S)
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(_PURGE_S)
            self._producer = None  # frees its connections now, though the counts live on
        return unsent

    def abandon(self) -> None:
        """Drop a producer inherited from the parent process, in a forked child.

        Its threads do not exist here, and librdkafka's destructor would wait for them, so it must never
        run: one reference is leaked on purpose.
        """
        for producer in (self._producer, self._retired):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(producer))

    def _serve(self) -> None:
        while not self._stop.is_set():
            if self._producer is not None:
                self._producer.poll(_POLL_S)
            if self._fatal.is_set():
                self._replace_producer()
            self._look_whether_it_works()

    def _look_whether_it_works(self) -> None:
        """Successes may be told by nobody, but they are counted."""
        before, self._acknowledged = self._acknowledged, self.counts[1] if self._log.says_down else None
        if before is not None and self._acknowledged is not None and self._acknowledged > before:
            self._log.forget()

    def _replace_producer(self) -> None:
        """An idempotent producer is of no use after a fatal error; what it held is reported as failed."""
        failed = self._producer
        if failed is None:
            return
        with self._settled:
            self._retired, self._producer = failed, self._make_producer()
        self._fatal.clear()
        failed.purge()
        deadline = time.monotonic() + _PURGE_S
        while len(failed) and time.monotonic() < deadline:
            failed.poll(_POLL_S)
        with self._settled:
            self._retired = None

    def report(self, done: Done, error: KafkaError | None, message: Message) -> None:
        """What became of a record, from the producer: tell ``done``, and count it."""
        failure = None if error is None else _delivery_failed(error)
        try:
            done(failure, message.partition(), message.offset())
        except Exception:
            logger.exception("A delivery callback raised; the event itself is not affected.")
        finally:
            with self._settled:
                self._reported += 1
                if failure is not None:
                    self._failed += 1
                self._settled.notify_all()


class _Report(msgspec.Struct, gc=False):
    """What the producer calls for one record; nothing for the garbage collector to count."""

    channel: Channel
    done: Done

    def __call__(self, error: KafkaError | None, message: Message) -> None:
        self.channel.report(self.done, error, message)


def _on_error(
    log: KafkaLog, fatal: threading.Event, on_down: Callable[[], object] | None, error: KafkaError
) -> None:
    log.error(error)
    if error.fatal():
        fatal.set()
    elif error.code() == KafkaError._ALL_BROKERS_DOWN and on_down is not None:
        on_down()


def _delivery_failed(error: KafkaError) -> DeliveryFailed:
    final = error.name() in _FINAL
    advice = "make it smaller" if final else "check the broker and the topic, then send it again"
    return DeliveryFailed(
        f"Event not delivered: {error.str()}; {advice}.", kafka_error=error.name(), final=final
    )


def _describe(error: Exception) -> str:
    cause = error.args[0] if error.args else error
    return str(cause.str() if isinstance(cause, KafkaError) else cause).rstrip(".")
