"""The client SDK: ``capture()`` returns at once, a background thread delivers.

>>> from loopin_producers import Loopin
>>> loopin = Loopin("127.0.0.1:9092", project="shop", disabled=True)
>>> uuid = loopin.capture("ticket_purchased", "user-17", {"amount": 25.0, "currency": "EUR"})
>>> loopin.shutdown()
0
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

from msgspec import Raw

from loopin_producers import context, exits
from loopin_producers.channel import Channel, Done, logger, producer_config
from loopin_producers.connection import Connection
from loopin_producers.errors import (
    DeliveryFailed,
    EventRefused,
    HookFailed,
    InvalidConfiguration,
    LoopinError,
)
from loopin_producers.event_builder import (
    Timestamp,
    build_event,
    is_misuse,
    of_clock,
)
from loopin_producers.filters import BeforeSend, Filters, OptOut, own_copy
from loopin_producers.guard import Guard
from loopin_producers.ids import Id
from loopin_producers.library import LIBRARY, says_library
from loopin_producers.options import check_flags, check_functions, check_mappings, check_texts
from loopin_producers.privacy import Privacy, get_ready
from loopin_producers.properties import plain_text
from loopin_producers.resender import Hooks
from loopin_producers.spool import SpooledRecord
from loopin_producers.spool.spool import DEFAULT_BYTES
from loopin_producers.statements import Statements
from loopin_producers.typed_event import TypedEvent
from loopin_producers.uuid7 import uuid7
from loopin_producers.ways import HTTP_FLUSH_S, KAFKA_FLUSH_S, Waiting, check_spool, http_ways, kafka_ways
from loopin_schemas import Event, InvalidEvent, Source, encode
from loopin_schemas.identity import LINKING
from loopin_schemas.sampling import SAMPLED_OUT
from loopin_schemas.topics import RAW, event_key
from loopin_schemas.validation import check_encoded_properties, check_project
from loopin_text.pii import KINDS, Kind

_FALSE = frozenset({"0", "false", "no", "off"})
_SAMPLED_OUT = f'"{SAMPLED_OUT}":true}}'.encode()
_BY_KEY = "by-key"
"""Stands for the project where the API tells it from the key."""


class Stats(NamedTuple):
    """Events of one client in this process.

    Not acknowledged yet, wherever they wait; acknowledged; refused for ever; dropped for want of room or
    after the shutdown; and of those not acknowledged, how many wait on disk.
    """

    queued: int
    delivered: int
    failed: int
    dropped: int
    spooled: int = 0


class Loopin(Statements):
    """Publishes events, from any thread and from forked children: to Kafka, or over HTTP to the API.

    Arguments left out come from the environment: ``LOOPIN_KAFKA_BOOTSTRAP`` (default 127.0.0.1:9092),
    ``LOOPIN_PROJECT``, ``LOOPIN_TOPIC_PREFIX``, ``LOOPIN_URL``, ``LOOPIN_API_KEY``, ``LOOPIN_SPOOL_DIR``, and
    ``LOOPIN_ENABLED`` or ``ANALYTICS_ENABLED`` (false switches publishing off; events are still checked).

    Args:
        bootstrap_servers: host:port of the brokers, comma separated.
        project: the tenant that the events belong to; over HTTP the key tells.
        url: address of the API, for HTTP instead of Kafka.
        api_key: a write key, for HTTP.
        topic_prefix: put before the topic's name.
        before_send: a function, or several in turn, that gets each event as a dict and returns what to send
            instead, None for nothing. One that raises drops the event: it may have been there to remove
            something.
        super_properties: properties of every event, unless the event or its context names them.
        sample_rate: share of the users (0-1) whose events are sent; all events of a user or none. Who is
            one person is sent of all, marked ``$sampled_out`` where it is to be stored as no event: after
            ``before_send``, which cannot undo it.
        opt_out: users who are not tracked: a collection of distinct_ids, or a test of one's text. A test
            that raises drops the event. Former ids are asked for, too.
        scrub: kinds of personal data that are replaced in properties, all by default: email, phone, card,
            token; () for none.
        scrub_except: names of properties, at any depth, that stay as they are, such as ``email``.
        on_error: called with a ``LoopinError`` for each event that was dropped or refused.
        on_delivery: called with an event's uuid, partition and offset once it is acknowledged (-1 and -1
            over HTTP); costs ``capture()`` some time.
        on_drop: called with how many events were dropped for want of room, and the reason's code.
        max_queue_size: events in memory that may wait; more go to the spool, or without one are dropped.
        flush_interval: how long (s) an event may wait for others to go with; 0.01 for Kafka, 0.5 for HTTP.
        delivery_timeout: how long (s) an event is tried before it goes to the spool, or fails.
        durable: write every event to the spool before ``capture()`` returns, so that kill -9 loses none.
        spool: False keeps nothing on disk.
        spool_dir: folder for events that wait; shared by the processes of a user.
        spool_max_bytes: bound on it, for all processes together; what is older is kept.
        disabled: True publishes nothing.
        debug: log what happens to every event.
        config: further librdkafka options, e.g. security.

    Callbacks run in a background thread, or in the caller's for what is decided there; one that raises is
    logged.

    Raises:
        InvalidEvent: no usable project.
        InvalidConfiguration: options that cannot work, or would break the order of events.
    """

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        project: str | None = None,
        *,
        url: str | None = None,
        api_key: str | None = None,
        topic_prefix: str | None = None,
        before_send: BeforeSend | Sequence[BeforeSend] | None = None,
        super_properties: Mapping[str, Any] | None = None,
        sample_rate: float = 1.0,
        opt_out: OptOut | None = None,
        scrub: Iterable[Kind] = KINDS,
        scrub_except: Iterable[str] = (),
        on_error: Callable[[LoopinError], object] | None = None,
        on_delivery: Callable[[str, int, int], object] | None = None,
        on_drop: Callable[[int, str], object] | None = None,
        max_queue_size: int = 100_000,
        flush_interval: float | None = None,
        delivery_timeout: float = 30.0,
        durable: bool = False,
        spool: bool = True,
        spool_dir: str | Path | None = None,
        spool_max_bytes: int = DEFAULT_BYTES,
        disabled: bool | None = None,
        debug: bool = False,
        config: Mapping[str, Any] | None = None,
    ) -> None:
        check_functions(on_error=on_error, on_delivery=on_delivery, on_drop=on_drop)
        check_texts(bootstrap_servers=bootstrap_servers, url=url, api_key=api_key, topic_prefix=topic_prefix)
        check_mappings(config=config)
        check_flags(durable=durable, spool=spool, disabled=disabled, debug=debug)
        self.disabled = _disabled_by_environment() if disabled is None else disabled
        if bootstrap_servers and url:
            raise InvalidConfiguration("Give bootstrap_servers or url: events go one way.")
        by_http = url or (None if bootstrap_servers else os.environ.get("LOOPIN_URL"))
        self.project = _project(project, self.disabled, by_key=bool(by_http))
        self.debug = debug
        prefix = os.environ.get("LOOPIN_TOPIC_PREFIX", "loopin.") if topic_prefix is None else topic_prefix
        self._prefix = prefix
        self.topic = f"{prefix}{RAW.name}"
        waiting = Waiting(
            max_queue_size, flush_interval, delivery_timeout, durable, spool, spool_dir, spool_max_bytes
        )
        waiting.check(HTTP_FLUSH_S if by_http else KAFKA_FLUSH_S)
        self.max_queue_size = max_queue_size
        self._privacy = Privacy(scrub, scrub_except)
        self._filters = Filters.of(before_send, super_properties, sample_rate, opt_out)
        self._super_properties = self._filters.super_properties
        self._on_error, self._on_delivery, self._on_drop = on_error, on_delivery, on_drop
        hooks = Hooks(self._delivered, self._give_up, self._dropped_some, self._recovered)
        if by_http and not self.disabled:
            key, named = api_key or os.environ.get("LOOPIN_API_KEY") or "", self.project
            self._ways = http_ways(by_http, key, waiting, hooks, project=None if named == _BY_KEY else named)
        else:
            servers = bootstrap_servers or os.environ.get("LOOPIN_KAFKA_BOOTSTRAP") or "127.0.0.1:9092"
            linger = {
                "linger.ms": round((KAFKA_FLUSH_S if flush_interval is None else flush_interval) * 1000)
            }
            self._config = producer_config(servers, max_queue_size, {**linger, **(config or {})})
            report_all = on_delivery is not None or debug
            self._ways = kafka_ways(self._config, self.topic, waiting, hooks, report_all=report_all)
            if config:
                # A misspelt option has to surface here, not in the first capture().
                Channel(self._config).close(0)
        if not self.disabled:
            check_spool(self._ways)
            get_ready()
        self._start_afresh()
        exits.register(self)

    def _start_afresh(self) -> None:
        self._lock = threading.RLock()  # a signal handler may capture in the middle of a capture
        self._guard = Guard("Events are lost.")
        self._refused = False
        self._telling = threading.local()
        self._connection = Connection(self._ways, lambda: exits.opened(self))
        self._failed = self._dropped = 0
        self._captured_ns = 0

    def capture(
        self,
        event: str | TypedEvent,
        distinct_id: Id | None = None,
        properties: Mapping[str, Any] | None = None,
        *,
        timestamp: Timestamp | None = None,
        uuid: str | UUID | None = None,
        groups: Mapping[str, Id | None] | None = None,
        session_id: Id | None = None,
        source: Source = "sdk",
        parent_uuid: str | UUID | None = None,
    ) -> str | None:
        """Queue an event and return its uuid; never waits for the broker.

        Neither the broker's state nor the data of a call makes it raise: an event that breaks a limit is
        dropped, and ``on_error`` gets an ``EventRefused``.

        Args:
            event: name, 1 to 200 characters, or one of ``loopin_producers.events``.
            distinct_id: the user, 1 to 200 characters, or a number or UUID, which stand for their text; the
                context's by default. Without one the event stands for itself: a random id, and
                ``$process_person_profile`` false.
            properties: at most 32 KB as JSON, nested at most 20 deep; datetime, UUID, Decimal, Enum, set and
                numpy's values are converted, of other objects the class's name is sent.
            timestamp: when it happened, a datetime, ISO 8601 text, or epoch seconds or milliseconds (numbers
                below 10^11 are seconds); now by default.
            uuid: identity of the event, a version 7 UUID by default. Sent twice, it counts once.
            groups: group type to group key, kept as ``$groups``; those without a key are left out, and those
                whose key is no id, with a warning.
            session_id: the session it belongs to; the context's by default.
            source: where it was made.
            parent_uuid: the event that gave rise to this one.

        Returns:
            The uuid, or None where ``opt_out``, ``sample_rate`` or ``before_send`` left the event out, or it
            was refused.

        Raises:
            InvalidEvent: the call is wrong whatever it is called with: an argument of the wrong type, a name
                that can be no event's, an unknown source.
        """
        if isinstance(event, TypedEvent):
            name, properties = event.event_name, {**event.properties(), **(properties or {})}
        else:
            name = event
        scope = context.current_scope()
        if scope is not None or self._super_properties:
            properties = self._with_context(properties)
        if distinct_id is None and (distinct_id := context.context_distinct_id()) is None:
            distinct_id = uuid7.text()
            properties = {"$process_person_profile": False, **(properties or {})}
        if session_id is None and scope is not None:
            session_id = context.context_session_id()
        try:
            built = build_event(
                self.project,
                name,
                distinct_id,
                properties,
                now_ms=time.time_ns() // 1_000_000,
                timestamp=None if timestamp is None else of_clock(timestamp),
                uuid=uuid,
                groups=groups,
                session_id=session_id,
                source=source,
                parent_uuid=parent_uuid,
                change=self._privacy.change(name),
                library=True,
            )
        except InvalidEvent as error:
            self._refuse(error)
            return None
        filters = self._filters
        if filters.let_all_pass:
            return self._send(built)
        try:
            found = self._filtered(built, properties, groups)
        except HookFailed as error:
            error.uuid = built.uuid
            self._count_dropped(error)
            return None
        except InvalidEvent as error:
            self._refuse(error)
            return None
        return None if found is None else self._send(found)

    def build(
        self, event: str, distinct_id: Id, properties: Mapping[str, Any] | None = None, **options: Any
    ) -> Event:
        """The event of these arguments, as somebody else's: without our ``$lib``, and options of the client.

        A number as ``timestamp`` is epoch milliseconds.

        Raises:
            InvalidEvent: an argument of the wrong type or beyond its limit.
        """
        return self._built(event, event, distinct_id, properties, **options)

    def _built(
        self,
        original: str,
        event: str,
        distinct_id: Id,
        properties: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Event:
        now_ms = time.time_ns() // 1_000_000
        change = self._privacy.renamed(original, event)
        return build_event(
            self.project, event, distinct_id, properties, now_ms=now_ms, change=change, **options
        )

    def _with_context(self, properties: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        tags = context.context_tags()
        if not tags and not self._super_properties:
            return properties
        if properties is not None and not isinstance(properties, Mapping):
            return properties  # for the check to refuse
        return {**self._super_properties, **tags, **(properties or {})}

    def _filtered(
        self, built: Event, properties: Mapping[str, Any] | None, groups: Mapping[str, Id | None] | None
    ) -> Event | None:
        """What the options leave of an event, or None. Raises HookFailed or InvalidEvent.

        Whether an event outside the sample says who is one person is asked before ``before_send``, which need
        not see others, and after it: what it is by then counts.
        """
        filters = self._filters
        if filters.opted_out(built.distinct_id):
            return None
        outside = filters.outside_sample(self.project, built.distinct_id)
        if outside and built.event not in LINKING:
            return None
        found = self._changed(built, properties, groups) if filters.change else built
        if found is None or not outside:
            return found
        return _sampled_out(found) if found.event in LINKING else None

    def _changed(
        self, built: Event, properties: Mapping[str, Any] | None, groups: Mapping[str, Id | None] | None
    ) -> Event | None:
        """The event as ``before_send`` wants it, or None. Raises HookFailed."""
        library = {} if says_library(properties) else LIBRARY
        changed = self._filters.changed(
            {
                "event": built.event,
                "distinct_id": built.distinct_id,
                "properties": {**own_copy(properties or {}), **library},
                "timestamp": built.timestamp,
                "uuid": built.uuid,
                "groups": own_copy(groups),
                "session_id": built.session_id,
                "source": built.source,
                "parent_uuid": built.parent_uuid,
            }
        )
        if changed is None:
            return None
        try:
            if (timestamp := changed.get("timestamp")) is not None:
                changed["timestamp"] = of_clock(timestamp)
            return self._built(built.event, **changed)
        except (TypeError, InvalidEvent) as error:
            raise HookFailed(f"Event dropped: before_send returned no event ({error}).") from error

    def _send(self, built: Event) -> str:
        # Properties and names within their limits make no event that is too large.
        body, identity = encode(built), str(built.uuid)
        if self.debug:
            logger.info("captured %s of %s as %s", built.event, built.distinct_id, identity)
        if self.disabled:
            return identity
        key = event_key(built.project, built.distinct_id)
        try:
            self._connection.deliver(SpooledRecord(identity, self._moment(), key, body))
        except LoopinError as error:
            error.uuid = identity
            self._count_dropped(error)
        return identity

    def _moment(self) -> int:
        """Now in epoch ns, later than the moment before: the order in which events go, whatever the clock."""
        now = time.time_ns()
        if now <= self._captured_ns:
            now = self._captured_ns + 1
        self._captured_ns = now
        return now

    def publish_record(
        self, key: bytes | None, value: bytes, done: Done, *, topic: str | None = None
    ) -> None:
        """Queue a record as it is, unchecked: for replays and simulations, which wait for room.

        ``topic`` is a name without the installation's prefix; without one it is that of events.

        ``done`` is called once with the failure or None, the partition and the offset, in a background
        thread. A disabled client drops the record and does not call it. The spool has no part in it.

        Raises:
            QueueFull: no room.
            ClientClosed: after ``shutdown()``.
            DeliveryFailed: the record cannot be sent at all.
        """
        if not self.disabled:
            name = self.topic if topic is None else f"{self._prefix}{topic}"
            self._connection.publish(name, key, value, partial(self._published, done))

    def _published(self, done: Done, failure: DeliveryFailed | None, partition: int, offset: int) -> None:
        if failure is None:
            self._connection.channel_down = False
        else:
            with self._lock:
                self._failed += 1
        done(failure, partition, offset)

    @property
    def broker_is_down(self) -> bool:
        """Whether no broker could be reached for published records, and none has been acknowledged since."""
        return self._connection.channel_down

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Wait until fewer than ``limit`` published records are queued; False when ``timeout`` (s) passes."""
        return self._connection.wait_for_room(limit, timeout)

    def flush(self, timeout: float = 10.0) -> int:
        """Wait up to ``timeout`` (s) for what is queued or spooled; returns how many events still are."""
        return self._connection.flush(timeout)

    def shutdown(self, timeout: float = 10.0) -> int:
        """Deliver what is queued within ``timeout`` (s) and stop; the rest waits on disk for the next client.

        Returns how many events were not delivered in time. Without a spool they are reported as failed. Later
        captures are dropped. A second call does nothing.
        """
        exits.closed(self)
        unsent = self._connection.close(timeout)
        if unsent:
            waiting = self._connection.spooled
            where = f"{waiting} of them wait in the spool" if waiting else "they are lost"
            logger.warning("%d events were not delivered before the client stopped; %s.", unsent, where)
        return unsent

    @property
    def is_down(self) -> bool:
        """Whether nobody could be reached, and nothing has been acknowledged since."""
        return self._connection.is_down

    @property
    def dropped(self) -> int:
        """Events dropped: there was no room, or the client had been shut down."""
        return self._dropped

    def stats(self) -> Stats:
        """Counts of this client in this process."""
        queued, delivered = self._connection.counts
        return Stats(queued, delivered, self._failed, self._dropped, self._connection.spooled)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()

    def _delivered(self, record: SpooledRecord, partition: int, offset: int) -> None:
        if self._refused:
            self._refused = False
            self._guard.forget()
        if self.debug:
            logger.info("delivered %s to partition %d, offset %d", record.uuid, partition, offset)
        if self._on_delivery is not None:
            self._on_delivery(record.uuid, partition, offset)

    def _give_up(self, record: SpooledRecord, error: LoopinError) -> None:
        with self._lock:
            self._failed += 1
        error.uuid = record.uuid
        self._report(error)

    def _refuse(self, error: InvalidEvent) -> None:
        """Drop an event that its data makes impossible. Raises InvalidEvent: it is the caller's code."""
        if is_misuse(error):
            raise error
        reason = f"Event dropped: {error.reason}"
        self._count_dropped(EventRefused(reason, problem=error.code, field=error.field))

    def _count_dropped(self, error: LoopinError) -> None:
        self._dropped_some(1, error)

    def _dropped_some(self, count: int, error: LoopinError) -> None:
        with self._lock:
            self._dropped += count
        self._report(error)
        self._tell("on_drop", self._on_drop, count, error.code)

    def _recovered(self, dropped: int) -> None:
        """Everything that was kept is delivered; what was not is told to the system itself."""
        self._guard.forget()
        measured = {"metric_type": "events_dropped", "value": dropped, "component": "loopin_producers"}
        host = f"sdk:{socket.gethostname()}"[:200]
        self._send(self.build("system_metric", host, measured, library=True))

    def _report(self, error: LoopinError) -> None:
        self._guard.note(error)
        if isinstance(error, DeliveryFailed) and error.status is not None:
            self._refused = True  # all that is sent, until something arrives again
        if self.debug:
            logger.info("lost %s: %s", error.uuid, error.reason)
        self._tell("on_error", self._on_error, error)

    def _tell(self, name: str, callback: Callable[..., object] | None, *told: object) -> None:
        """Call back, but not from within: a callback that hears of what it captures itself may never end."""
        if callback is None or getattr(self._telling, "now", False):
            return
        self._telling.now = True
        try:
            callback(*told)
        except Exception:
            logger.exception("%s raised; the client goes on.", name)
        finally:
            self._telling.now = False

    def abandon_after_fork(self) -> None:
        """Leave what was captured before a fork to the parent."""
        self._connection.abandon()
        self._start_afresh()


def _sampled_out(event: Event) -> Event:
    """Mark the event as one that is not stored. Raises InvalidEvent: that makes its properties too large."""
    properties = bytes(event.properties)
    others = b"{" if properties == b"{}" else properties[:-1] + b","
    event.properties = Raw(others + _SAMPLED_OUT)
    check_encoded_properties(others + _SAMPLED_OUT)
    return event


def _disabled_by_environment() -> bool:
    value = os.environ.get("LOOPIN_ENABLED", os.environ.get("ANALYTICS_ENABLED", "true"))
    return value.strip().lower() in _FALSE


def _project(project: str | None, disabled: bool, *, by_key: bool) -> str:
    name = project if project is not None else os.environ.get("LOOPIN_PROJECT")
    if name is None:
        if by_key:
            return _BY_KEY
        if disabled:
            return "disabled"
        raise InvalidEvent("project_missing", "project", "Name the project, or set LOOPIN_PROJECT.")
    check_project(name)
    return plain_text(name)
