"""From ``metrics`` to the table ``metric_windows``.

Rows are absolute and carry a revision, so a row that is stored twice counts once: the sink stores first and
commits its offsets afterwards, with the id of the topic that they are of. In another topic of the same name
they say nothing: that one is read from its start. A window of a newer release is not passed over: its
partition waits for that release. Where the topic has removed records before they were stored, the windows
that may have been in them are recomputed from the stored events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic, time
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    CommitFailedError,
    IllegalGenerationError,
    IllegalStateError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata

from loopin_schemas.codec import decode, version_of
from loopin_schemas.topics import METRICS, RAW
from loopin_schemas.window import MetricWindow
from loopin_sinks.place import committed
from loopin_sinks.progress import Progress
from loopin_sinks.repair.requests import request_repairs_since
from loopin_sinks.rows import by_month
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreError
from loopin_sinks.window_rows import METRIC_WINDOWS, windows_to_arrow
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen

log = structlog.get_logger(__name__)

POLL_S = 0.2
RETRY_S = 2.0
MAX_WAITING = 50_000
"""Windows that wait for an insert; then nothing more is read."""

MERGE_LAG_MS = RAW.retention_ms or 0
"""How long after an event was received a window that counts it may be published: a worker that was away works
off what is left of the input."""

WINDOW_VERSION = 1
"""Newest format of a window that this release reads."""

Cell = tuple[str, str, str, str, str, int]


class MetricSink(ConsumerRebalanceListener):
    """Stores the newest version of each window, at most once in ``metric_interval_s``.

    ``failing`` holds one sentence while the store refuses inserts, ``unreadable`` counts records that are no
    window of any release, and were left out.
    """

    def __init__(
        self, settings: SinkSettings, store: Store, retention: Callable[[str], int], topic_id: str
    ) -> None:
        """``topic_id`` is Kafka's id of ``metrics``."""
        self.failing: str | None = None
        self.read_records = 0
        self.stored_rows = 0
        self.unreadable = 0
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._unchecked: frozenset[TopicPartition] = frozenset()
        self._settings = settings
        self._store = store
        self._retention = retention
        self._topic_id = topic_id
        self._refused: dict[TopicPartition, RefusedToOpen] = {}
        self._missed_since: int | None = None
        self._waiting: dict[Cell, MetricWindow] = {}
        self._read_up_to: dict[TopicPartition, int] = {}
        self._read_ms: dict[TopicPartition, int] = {}
        self._passed: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer

    async def run(self, stop: asyncio.Event) -> None:
        """Store windows until ``stop`` is set; what was read by then is stored first."""
        self._consumer = self._new_consumer()
        await self._consumer.start()
        try:
            self._consumer.subscribe([self._settings.topic(METRICS.name)], listener=self)
            flushed = monotonic()
            while not stop.is_set():
                await self._check_assigned()
                if len(self._waiting) < MAX_WAITING:
                    self._take(await self._fetched())
                    await self._pass_marks()
                due = monotonic() - flushed >= self._settings.metric_interval_s
                waits = self._read_up_to or self._missed_since is not None
                if waits and (due or len(self._waiting) >= MAX_WAITING):
                    stored = await self._flush()
                    flushed = monotonic()
                    if not stored:
                        await _either(stop, RETRY_S)
            await self._pass_marks()
            await self._flush()
        finally:
            await self._consumer.stop()

    async def positions(self) -> dict[int, int]:
        """For each assigned partition the offset of the first record that is not stored."""
        positions = {}
        for at in self._assigned:
            # A partition that has been given up meanwhile is another sink's.
            with suppress(IllegalStateError):
                if at in self._read_up_to:
                    positions[at.partition] = int(await self._consumer.committed(at) or 0)
                else:
                    # It passes transaction markers, which are no records.
                    positions[at.partition] = int(await self._consumer.position(at))
        return positions

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Forget what is not stored: its next owner reads it again."""
        self._assigned = self._unchecked = frozenset()
        self._refused.clear()
        self._waiting.clear()
        self._read_up_to.clear()
        self._read_ms.clear()
        self._passed.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Reading goes on from the committed offsets, once it is known that they are of this topic."""
        self._assigned = self._unchecked = frozenset(assigned)
        self._consumer.pause(*assigned)

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            group_id=f"{self._settings.topic_prefix}clickhouse-metrics",
            isolation_level="read_committed",
            enable_auto_commit=False,
            # Where the log does not hold a position, records were lost.
            auto_offset_reset="none",
            fetch_max_wait_ms=200,
            session_timeout_ms=int(self._settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(self._settings.session_timeout_s * 250),
            # A store that is away for long must not cost the sink its partitions.
            max_poll_interval_ms=3_600_000,
        )

    async def _check_assigned(self) -> None:
        fresh, self._unchecked = self._unchecked, frozenset()
        if not fresh:
            return
        found = {at: await committed(self._consumer, at) for at in fresh}
        # Partitions that have been given up meanwhile are looked at anew when they come back.
        with suppress(IllegalStateError):
            starts = await self._consumer.beginning_offsets(list(fresh))
            for at in fresh:
                self._go_on(at, found[at], starts[at])
            self._consumer.resume(*fresh)

    def _go_on(self, at: TopicPartition, found: OffsetAndMetadata | None, start: int) -> None:
        """Read on from what is noted, or from the log's start where that says nothing of it."""
        note = Progress.of(found.metadata) if found is not None else None
        begins = found is None or (note is not None and note.topic_id != self._topic_id)
        self._passed[at] = start if begins or found is None else max(start, found.offset)
        self._consumer.seek(at, self._passed[at])
        stored_ms = note.stored_ms if note is not None else None
        if stored_ms is not None:
            self._read_ms[at] = stored_ms
        if found is not None and (begins or found.offset < start):
            self._miss(at, stored_ms or 0)
            # With the request made, whoever comes next has missed nothing.
            self._read_up_to[at] = self._passed[at]

    def _miss(self, at: TopicPartition, since_ms: int) -> None:
        """Records received after ``since_ms`` (epoch ms) have gone before they were stored."""
        since = max(0, since_ms - MERGE_LAG_MS)
        log.warning("windows_missed", partition=at.partition, recomputed_since_ms=since)
        self._missed_since = since if self._missed_since is None else min(since, self._missed_since)

    async def _fetched(self) -> dict[TopicPartition, list[Record]]:
        try:
            found: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
                timeout_ms=int(POLL_S * 1000), max_records=5000
            )
        except NoOffsetForPartitionError:
            # A partition that has just been assigned; the next round seeks.
            return {}
        except OffsetOutOfRangeError as error:
            # Removed while they waited. The error's argument holds the offsets asked for, by partition.
            for at in error.args[0].keys() & self._assigned:
                self._miss(at, self._read_ms.get(at, 0))
                await self._consumer.seek_to_beginning(at)
            return {}
        return found

    def _take(self, found: dict[TopicPartition, list[Record]]) -> None:
        for at, records in found.items():
            for record in records:
                if version_of(record.value or b"") > WINDOW_VERSION:
                    self._refuse(at, record)
                    break
                window = self._readable(record)
                if window is not None:
                    self._wait(window)
                self._read_up_to[at] = record.offset + 1
                self._read_ms[at] = record.timestamp
                self.read_records += 1

    async def _pass_marks(self) -> None:
        """Behind the last record there is its transaction's mark: without it, nothing is missing."""
        for at in self._assigned & self._passed.keys():
            with suppress(IllegalStateError):
                position = await self._consumer.position(at)
                if position > self._passed[at]:
                    self._read_up_to[at] = self._passed[at] = position

    def refused(self) -> str | None:
        """Which partitions wait for a newer release, until somebody acts; None when it works on all."""
        return " ".join(str(why) for _, why in sorted(self._refused.items())) or None

    def _refuse(self, at: TopicPartition, record: Record) -> None:
        """Read the partition no further than to this record."""
        error = self._refused[at] = RefusedToOpen(
            "state_version",
            f"Partition {at.partition} of {at.topic} is refused: it was written by a newer version of this "
            "program, run that version here too.",
        )
        log.error("partition_refused", partition=at.partition, code=error.code, reason=str(error))
        self._consumer.seek(at, record.offset)
        self._consumer.pause(at)

    def _wait(self, window: MetricWindow) -> None:
        cell = (window.project, window.metric, window.dimension, window.value, window.grain, window.start)
        held = self._waiting.get(cell)
        if held is None or held.revision <= window.revision:
            self._waiting[cell] = window

    def _readable(self, record: Record) -> MetricWindow | None:
        try:
            return decode(record.value or b"", MetricWindow)
        except (ValueError, RecursionError) as error:
            self.unreadable += 1
            log.error("window_unreadable", offset=record.offset, reason=str(error)[:200])
            return None

    async def _flush(self) -> bool:
        """Whether all that waits is stored now."""
        windows, offsets = list(self._waiting.values()), dict(self._read_up_to)
        try:
            # Before the offsets, which say that nothing before them is missing.
            if self._missed_since is not None:
                await request_repairs_since(self._store, self._missed_since)
                self._missed_since = None
            await self._insert(windows)
        except StoreError as error:
            self.failing = str(error)
            log.error("insert_failed", table=METRIC_WINDOWS, reason=str(error))
            return False
        self.failing = None
        self.stored_rows += len(windows)
        self._waiting = {}
        self._read_up_to = {at: end for at, end in self._read_up_to.items() if offsets.get(at) != end}
        if offsets:
            notes = {at: Progress(self._topic_id, stored_ms=self._read_ms.get(at)).text() for at in offsets}
            # Who has lost the partitions commits nothing; what it stored is stored again, with no effect.
            with suppress(CommitFailedError, IllegalGenerationError, UnknownMemberIdError, IllegalStateError):
                await self._consumer.commit(
                    {at: OffsetAndMetadata(end, notes[at]) for at, end in offsets.items()}
                )
        return True

    async def _insert(self, windows: Sequence[MetricWindow]) -> None:
        if not windows:
            return
        table = await asyncio.to_thread(windows_to_arrow, windows, self._retention, int(time() * 1000))
        for _, part in by_month(table, "start"):
            # Each attempt has its own token: the same rows twice are replaced by their revision.
            await self._store.insert(METRIC_WINDOWS, part, token=str(uuid4()))


async def _either(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
