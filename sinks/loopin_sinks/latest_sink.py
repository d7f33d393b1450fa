"""From a topic to a table of rows that replace each other: the newest of each key is stored.

Rows are absolute and carry a revision, so a row that is stored twice counts once: the sink stores first and
commits its offsets afterwards, with the id of the topic that they are of. In another topic of the same name
they say nothing: that one is read from its start. A record of a newer release is not passed over: its
partition waits for that release.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Collection, Hashable, Sequence
from contextlib import suppress
from math import sqrt
from time import monotonic
from typing import Generic, TypeVar

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

from loopin_schemas.codec import version_of
from loopin_schemas.topics import Topic
from loopin_sinks.place import committed
from loopin_sinks.progress import Progress
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import StoreError
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen

log = structlog.get_logger(__name__)

POLL_S = 0.5
"""Longest wait for records; those that come end it."""

RETRY_S = 2.0
MAX_WAITING = 50_000
"""Rows that wait for an insert; then nothing more is read."""

PATIENT_KEYS_A_S = 2_000
"""From one insert to the next a patient sink lets a second pass for each so many keys that change a second,
as long as others may wait beside them: what comes meanwhile of the same keys is one row."""

MOST_REST_S = 10.0

READABLE_VERSION = 1
"""Newest format of a record that this release reads."""

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class LatestSink(ConsumerRebalanceListener, ABC, Generic[Key, Value]):
    """Stores the newest value of each key, at most once in ``interval_s``.

    ``table`` names the sink. ``failing`` holds one sentence while the store refuses inserts, ``unreadable``
    counts records that are of no release, and were left out.
    """

    def __init__(
        self,
        settings: SinkSettings,
        *,
        topic: Topic,
        topic_id: str,
        group: str,
        table: str,
        interval_s: float,
        patient: bool = False,
    ) -> None:
        """``topic_id`` is Kafka's id of the topic, ``group`` is without the installation's prefix.

        A ``patient`` sink leaves the machine to the others while much comes, and inserts less often. When
        ``MAX_WAITING`` rows wait it reads no further, and inserts at its usual interval. It is for a
        compacted topic, which grows no longer than it has keys.
        """
        self.table = table
        self.failing: str | None = None
        self.read_records = 0
        self.stored_rows = 0
        self.unreadable = 0
        self._topic = topic
        self._group = group
        self._interval_s = interval_s
        self._patient = patient
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._unchecked: frozenset[TopicPartition] = frozenset()
        self._settings = settings
        self._topic_id = topic_id
        self._refused: dict[TopicPartition, RefusedToOpen] = {}
        self._waiting: dict[Key, Value] = {}
        self._read_up_to: dict[TopicPartition, int] = {}
        self._read_ms: dict[TopicPartition, int] = {}
        self._passed: dict[TopicPartition, int] = {}
        self._stored_to: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer

    @abstractmethod
    def _read(self, record: Record) -> tuple[Key, Value] | None:
        """What a record says of which key; None where it says nothing.

        Raises:
            ValueError, RecursionError: it is of no release.
        """

    @abstractmethod
    def _replaces(self, held: Value, value: Value) -> bool:
        """Whether a value read later counts instead of one that waits."""

    @abstractmethod
    async def _insert(self, values: Collection[Value]) -> int:
        """Store values, all of them again where it failed; the number of rows that they made.

        Raises:
            StoreError: not all are stored.
        """

    def _miss(self, at: TopicPartition, since_ms: int) -> None:
        """Records that the broker got after ``since_ms`` (epoch ms) have gone before they were stored."""
        log.warning("records_missed", topic=at.topic, partition=at.partition, since_ms=since_ms)

    async def _settle_missed(self) -> None:
        """Make good what was missed, before offsets are committed which say that nothing is.

        Raises:
            StoreError: it could not be made good.
        """

    @property
    def _owes(self) -> bool:
        """Whether something that was missed is to be made good."""
        return False

    async def run(self, stop: asyncio.Event) -> None:
        """Store until ``stop`` is set; what was read by then is stored first."""
        self._consumer = self._new_consumer()
        await self._consumer.start()
        try:
            self._consumer.subscribe([self._settings.topic(self._topic.name)], listener=self)
            soonest_at = rested_at = monotonic() + self._interval_s
            while not stop.is_set():
                await self._check_assigned()
                full = len(self._waiting) >= MAX_WAITING
                due_at = soonest_at if full else max(soonest_at, rested_at)
                due_s = max(0.0, due_at - monotonic())
                if not full:
                    self._take(await self._fetched(min(POLL_S, due_s) if self._read_up_to else POLL_S))
                    await self._pass_marks()
                elif self._patient:
                    await _either(stop, min(POLL_S, due_s))
                due = monotonic() >= due_at
                waits = self._read_up_to or self._owes
                if waits and (due or (full and not self._patient)):
                    began, before = monotonic(), self.stored_rows
                    stored = await self._flush()
                    soonest_at = monotonic() + self._interval_s
                    rested_at = began + self._rest_s(self.stored_rows - before)
                    if not stored:
                        await _either(stop, RETRY_S)
            await self._pass_marks()
            await self._flush()
        finally:
            await self._consumer.stop()

    def _rest_s(self, rows: int) -> float:
        """From the start of an insert of so many rows to that of the next, while others may wait beside."""
        # Of k keys a second, k * k / PATIENT_KEYS_A_S come while it rests so long. Rests in proportion to the
        # rows would grow without end, each longer than the one before, from some rate on.
        return min(sqrt(rows / PATIENT_KEYS_A_S), MOST_REST_S) if self._patient else 0.0

    async def positions(self) -> dict[int, int]:
        """For each assigned partition the offset of the first record that is not stored."""
        positions = {}
        for at in self._assigned:
            if at in self._read_up_to:
                positions[at.partition] = self._stored_to[at]
                continue
            # A partition that has been given up meanwhile is another sink's.
            with suppress(IllegalStateError):
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
        self._stored_to.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Reading goes on from the committed offsets, once it is known that they are of this topic."""
        self._assigned = self._unchecked = frozenset(assigned)
        self._consumer.pause(*assigned)

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            group_id=self._settings.topic(self._group),
            isolation_level="read_committed",
            enable_auto_commit=False,
            # Where the log does not hold a position, records were lost.
            auto_offset_reset="none",
            fetch_max_wait_ms=500,
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
        self._stored_to[at] = self._passed[at]
        self._consumer.seek(at, self._passed[at])
        stored_ms = note.stored_ms if note is not None else None
        if stored_ms is not None:
            self._read_ms[at] = stored_ms
        if found is not None and (begins or found.offset < start):
            self._miss(at, stored_ms or 0)
            # With the request made, whoever comes next has missed nothing.
            self._read_up_to[at] = self._passed[at]

    async def _fetched(self, wait_s: float) -> dict[TopicPartition, list[Record]]:
        try:
            found: dict[TopicPartition, list[Record]] = await self._consumer.getmany(
                timeout_ms=int(wait_s * 1000), max_records=5000
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
            taken: Record | None = None
            for record in records:
                if version_of(record.value or b"") > READABLE_VERSION:
                    self._refuse(at, record)
                    break
                self._wait(record)
                taken = record
                self.read_records += 1
            if taken is not None:
                self._read_up_to[at] = taken.offset + 1
                self._read_ms[at] = taken.timestamp

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

    def _wait(self, record: Record) -> None:
        try:
            found = self._read(record)
        except (ValueError, RecursionError) as error:
            self._leave_out(record.offset, error)
            return
        if found is None:
            return
        key, value = found
        if key not in self._waiting or self._replaces(self._waiting[key], value):
            self._waiting[key] = value

    def _leave_out(self, offset: int, error: Exception) -> None:
        """Count a record that is of no release."""
        self.unreadable += 1
        log.error("record_unreadable", table=self.table, offset=offset, reason=str(error)[:200])

    async def _flush(self) -> bool:
        """Whether all that waits is stored now."""
        values, offsets = list(self._waiting.values()), dict(self._read_up_to)
        try:
            # Before the offsets, which say that nothing before them is missing.
            await self._settle_missed()
            rows = await self._insert(values) if values else 0
        except StoreError as error:
            self.failing = str(error)
            log.error("insert_failed", table=self.table, reason=str(error))
            return False
        self.failing = None
        self.stored_rows += rows
        self._waiting = {}
        self._read_up_to = {at: end for at, end in self._read_up_to.items() if offsets.get(at) != end}
        if offsets:
            notes = {at: Progress(self._topic_id, stored_ms=self._read_ms.get(at)).text() for at in offsets}
            # Who has lost the partitions commits nothing; what it stored is stored again, with no effect.
            with suppress(CommitFailedError, IllegalGenerationError, UnknownMemberIdError, IllegalStateError):
                await self._consumer.commit(
                    {at: OffsetAndMetadata(end, notes[at]) for at, end in offsets.items()}
                )
                self._stored_to |= offsets
        return True


async def _either(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
