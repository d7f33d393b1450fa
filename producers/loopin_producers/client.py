"""The client SDK: ``capture()`` returns at once, a background thread delivers.

>>> from loopin_producers import Loopin
>>> loopin = Loopin("127.0.0.1:9092", project="shop", disabled=True)
>>> uuid = loopin.capture("ticket_purchased", "user-17", {"amount": 25.0, "currency": "EUR"})
>>> loopin.shutdown()
0
"""

from __future__ import annotations

import atexit
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.util import Finalize
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID
from weakref import WeakSet

from loopin_producers.channel import Channel, Done, logger, producer_config
from loopin_producers.errors import ClientClosed, DeliveryFailed, InvalidConfiguration, LoopinError
from loopin_producers.event_builder import Timestamp, build_event
from loopin_producers.properties import plain_text
from loopin_schemas import Event, InvalidEvent, Source, encode
from loopin_schemas.topics import RAW, event_key
from loopin_schemas.validation import check_project, check_size

EXIT_TIMEOUT_S = 10.0
"""How long the end of the process waits for clients that were not shut down."""

_FALSE = frozenset({"0", "false", "no", "off"})


class Stats(NamedTuple):
    """Events of one client in this process: waiting, acknowledged, refused by the broker, never queued."""

    queued: int
    delivered: int
    failed: int
    dropped: int


class Loopin:
    """Publishes events to Kafka, from any thread and from forked children.

    Arguments left out come from the environment: ``LOOPIN_KAFKA_BOOTSTRAP`` (default 127.0.0.1:9092),
    ``LOOPIN_PROJECT``, ``LOOPIN_TOPIC_PREFIX``, and ``LOOPIN_ENABLED`` or ``ANALYTICS_ENABLED`` (false
    switches publishing off; events are still checked).

    Args:
        bootstrap_servers: host:port of the brokers, comma separated.
        project: the tenant that the events belong to.
        topic_prefix: put before the topic's name.
        on_error: called with a ``LoopinError`` for each event that was dropped or not delivered.
        on_delivery: called with an event's uuid, partition and offset once the broker has acknowledged it.
        max_queue_size: events that may wait for the broker; one more is dropped.
        disabled: True publishes nothing.
        config: further librdkafka options, e.g. security.

    Callbacks run in a background thread, ``QueueFull`` and ``ClientClosed`` in the caller's; one that
    raises is logged.

    Raises:
        InvalidEvent: no usable project.
        InvalidConfiguration: options that librdkafka refuses or that would break the order of events.
    """

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        project: str | None = None,
        *,
        topic_prefix: str | None = None,
        on_error: Callable[[LoopinError], object] | None = None,
        on_delivery: Callable[[str, int, int], object] | None = None,
        max_queue_size: int = 100_000,
        disabled: bool | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        self.disabled = _disabled_by_environment() if disabled is None else disabled
        self.project = _project(project, self.disabled)
        prefix = os.environ.get("LOOPIN_TOPIC_PREFIX", "loopin.") if topic_prefix is None else topic_prefix
        self.topic = f"{prefix}{RAW.name}"
        if max_queue_size < 1:
            raise InvalidConfiguration("Raise max_queue_size to at least 1.")
        self.max_queue_size = max_queue_size
        servers = bootstrap_servers or os.environ.get("LOOPIN_KAFKA_BOOTSTRAP") or "127.0.0.1:9092"
        self._config = producer_config(servers, max_queue_size, config or {})
        self._on_error = on_error
        self._on_delivery = on_delivery
        self._closed = False
        self._start_afresh()
        _clients.add(self)
        if config:
            # A misspelt option has to surface here, not in the first capture().
            Channel(self._config).close(0)

    def _start_afresh(self) -> None:
        self._lock = threading.Lock()
        self._channel: Channel | None = None
        self._dropped = 0

    def capture(
        self,
        event: str,
        distinct_id: str,
        properties: Mapping[str, Any] | None = None,
        *,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        groups: Mapping[str, str] | None = None,
        session_id: str | None = None,
        source: Source = "sdk",
        parent_uuid: str | UUID | None = None,
    ) -> str:
        """Queue an event and return its uuid; never waits for the broker and never raises because of it.

        Args:
            event: name, 1 to 200 characters.
            distinct_id: the user, 1 to 200 characters.
            properties: at most 32 KB as JSON, nested at most 20 deep; datetime, UUID, Decimal, Enum and
                set values are converted.
            timestamp: when it happened; now by default.
            uuid: identity of the event, a version 7 UUID by default. Sent twice, it counts once.
            groups: group type to group key, kept as ``$groups``.
            session_id: the session it belongs to.
            source: where it was made.
            parent_uuid: the event that gave rise to this one.

        Raises:
            InvalidEvent: an argument of the wrong type or beyond its limit.
        """
        built = self.build(
            event,
            distinct_id,
            properties,
            timestamp=timestamp,
            uuid=uuid,
            groups=groups,
            session_id=session_id,
            source=source,
            parent_uuid=parent_uuid,
        )
        body, identity = encode(built), str(built.uuid)
        check_size(body)
        try:
            self.publish_record(
                event_key(built.project, built.distinct_id),
                body,
                lambda *outcome: self._report_delivery(identity, *outcome),
            )
        except LoopinError as error:
            error.uuid = identity
            self._count_dropped(error)
        return identity

    def identify(
        self,
        distinct_id: str,
        properties: Mapping[str, Any] | None = None,
        *,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        session_id: str | None = None,
        source: Source = "sdk",
    ) -> str:
        """Set a user's profile properties: an ``$identify`` event with ``$set``. Otherwise as ``capture``."""
        return self.capture(
            "$identify",
            distinct_id,
            {"$set": {} if properties is None else properties},
            timestamp=timestamp,
            uuid=uuid,
            session_id=session_id,
            source=source,
        )

    def build(
        self, event: str, distinct_id: str, properties: Mapping[str, Any] | None = None, **options: Any
    ) -> Event:
        """The event that ``capture`` with the same arguments would publish.

        Raises:
            InvalidEvent: an argument of the wrong type or beyond its limit.
        """
        return build_event(
            self.project, event, distinct_id, properties, now_ms=time.time_ns() // 1_000_000, **options
        )

    def publish_record(self, key: bytes | None, value: bytes, done: Done) -> None:
        """Queue a record as it is, unchecked: for replays and simulations, which wait for room.

        ``done`` is called once with the failure or None, the partition and the offset, in a background
        thread. A disabled client drops the record and does not call it.

        Raises:
            QueueFull: no room.
            ClientClosed: after ``shutdown()``.
            DeliveryFailed: the record cannot be sent at all.
        """
        if not self.disabled:
            self._open_channel().send(self.topic, key, value, done)

    def _open_channel(self) -> Channel:
        channel = self._channel
        if channel is not None:
            return channel
        with self._lock:
            if self._channel is None:
                if self._closed:
                    raise ClientClosed("Event dropped: capture before shutdown(), or make another client.")
                self._channel = Channel(self._config)
                _open_clients.add(self)
                if multiprocessing.parent_process() is not None:
                    # multiprocessing ends its children past atexit, and clears older finalizers there.
                    Finalize(None, _shut_down_all, exitpriority=0)
            return self._channel

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Wait until fewer than ``limit`` events are queued; False when ``timeout`` (s) passes first."""
        channel = self._channel
        return channel is None or channel.wait_below(limit, timeout)

    def flush(self, timeout: float = 10.0) -> int:
        """Wait up to ``timeout`` (s) for the queued events; returns how many are still queued."""
        channel = self._channel
        if channel is None:
            return 0
        channel.wait_below(1, timeout)
        return channel.counts[0]

    def shutdown(self, timeout: float = 10.0) -> int:
        """Deliver what is queued within ``timeout`` (s) and stop; the rest is reported as failed.

        Returns how many events were not delivered in time. Later captures are dropped. A second call
        does nothing.
        """
        with self._lock:
            channel = None if self._closed else self._channel
            self._closed = True
            _open_clients.discard(self)
        if channel is None:
            return 0
        unsent = channel.close(timeout)
        if unsent:
            logger.warning("%d events were not delivered before the client stopped.", unsent)
        return unsent

    @property
    def dropped(self) -> int:
        """Events that were never queued: the queue was full or the client shut down."""
        return self._dropped

    def stats(self) -> Stats:
        """Counts of this client in this process."""
        channel = self._channel
        queued, delivered, failed = (0, 0, 0) if channel is None else channel.counts
        return Stats(queued, delivered, failed, self._dropped)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def _report_delivery(
        self, uuid: str, failure: DeliveryFailed | None, partition: int, offset: int
    ) -> None:
        if failure is not None:
            failure.uuid = uuid
            self._report(failure)
        elif self._on_delivery is not None:
            self._on_delivery(uuid, partition, offset)

    def _count_dropped(self, error: LoopinError) -> None:
        with self._lock:
            self._dropped += 1
        self._report(error)

    def _report(self, error: LoopinError) -> None:
        if self._on_error is None:
            logger.debug("%s", error.reason)
            return
        try:
            self._on_error(error)
        except Exception:
            logger.exception("on_error raised; the client goes on.")

    def _abandon_after_fork(self) -> None:
        if self._channel is not None:
            self._channel.abandon()
        self._start_afresh()


def _disabled_by_environment() -> bool:
    value = os.environ.get("LOOPIN_ENABLED", os.environ.get("ANALYTICS_ENABLED", "true"))
    return value.strip().lower() in _FALSE


def _project(project: str | None, disabled: bool) -> str:
    name = project if project is not None else os.environ.get("LOOPIN_PROJECT")
    if name is None:
        if disabled:
            return "disabled"
        raise InvalidEvent("project_missing", "project", "Name the project, or set LOOPIN_PROJECT.")
    check_project(name)
    return plain_text(name)


_clients: WeakSet[Loopin] = WeakSet()
_open_clients: set[Loopin] = set()


def _shut_down_all() -> None:
    for client in tuple(_open_clients):
        client.shutdown(EXIT_TIMEOUT_S)


def _abandon_all_after_fork() -> None:
    for client in tuple(_clients):
        client._abandon_after_fork()
    _open_clients.clear()


atexit.register(_shut_down_all)
os.register_at_fork(after_in_child=_abandon_all_after_fork)
