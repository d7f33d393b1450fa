"""From ``events.enriched`` to ClickHouse, each event once.

The identity of a row is the record it came from: topic id, partition, offset. Before an insert the sink
commits its offset with the end of the range as metadata, so the broker turns away a sink of an older
generation there; then it inserts. A successor finds the range, asks the store which of its offsets are
there, and inserts the others: an insert that was cut off anywhere neither loses nor doubles a row. A sink
that was stopped between the two commits once more before it inserts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from time import monotonic
from types import MappingProxyType

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

from loopin_schemas.topics import DLQ, ENRICHED
from loopin_sinks.pending import Pending
from loopin_sinks.place import committed, place_of
from loopin_sinks.progress import Progress
from loopin_sinks.refusals import removed_unread
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_sinks.writer import Interrupted, RangeWriter
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Reader
from loopin_streams.projects.project import Projects

log = structlog.get_logger(__name__)

POLL_S = 0.1

MAX_WAITING_BYTES = 64 << 20
"""Values that wait for an insert, of all partitions: ``batch_size`` of the largest events would be 3 GB."""

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A clock that goes on while this process, or its machine, stands still."""

_LOST_GENERATION = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)


class Sink(ConsumerRebalanceListener):
    """Consumes ``events.enriched`` and inserts into the table ``events``.

    Use :meth:`run`; ``writer`` and the rest may be read at any time on the same event loop. ``read_records``
    counts what was consumed.
    """

    def __init__(self, settings: SinkSettings, store: Store, projects: Projects, topic_id: str) -> None:
        self._settings = settings
        self._group = f"{settings.topic_prefix}clickhouse"
        self._topic = settings.topic(ENRICHED.name)
        self._topic_id = topic_id
        self._joined = False
        self._owned: frozenset[TopicPartition] = frozenset()
        self._pending: dict[TopicPartition, Pending] = {}
        self._refused: dict[TopicPartition, RefusedToOpen] = {}
        # The newest note of each partition, and when it was committed, seconds.
        self._noted: dict[TopicPartition, tuple[OffsetAndMetadata, float]] = {}
        self._working = asyncio.Lock()
        self._interrupted = asyncio.Event()
        self.writer = RangeWriter(
            store,
            topic=self._topic,
            topic_id=topic_id,
            dlq=settings.topic(DLQ.name),
            bootstrap=settings.kafka_bootstrap,
            retention=lambda project: projects.retention(project).raw,
            confirm=self._confirm,
            interrupted=self._interrupted,
        )
        self.read_records = 0
        self._stopping = False
        self._consumer: AIOKafkaConsumer

    @property
    def leads(self) -> bool:
        """Whether this is the one of all sinks that does what only one should: it holds partition 0."""
        return any(at.partition == 0 for at in self._owned - self._opening)

    def unready(self) -> str | None:
        """Why it is not at work, in one sentence; None when all it was assigned is open and stored.

        A sink that got no partition, because there are more sinks than partitions, is ready to step in.
        """
        return self.writer.failing or self.opening() or self.refused()

    def opening(self) -> str | None:
        """What it waits for before it is at work, in one sentence; None when no partition is on its way."""
        if not self._joined:
            return "no partitions are assigned yet"
        if self._opening:
            opening = sorted(at.partition for at in self._opening)
            return f"partitions are being opened: {', '.join(map(str, opening))}"
        return None

    def refused(self) -> str | None:
        """Which partitions it leaves alone and why, until somebody acts; None when it works on all."""
        refused = sorted((at.partition, str(why)) for at, why in self._refused.items())
        return " ".join(f"Partition {number} is refused: {why}" for number, why in refused) or None

    @property
    def refusals(self) -> Mapping[TopicPartition, RefusedToOpen]:
        """By partition what :meth:`refused` tells."""
        return MappingProxyType(self._refused)

    @property
    def _opening(self) -> frozenset[TopicPartition]:
        return self._owned - self._pending.keys() - self._refused.keys()

    async def positions(self) -> dict[int, int]:
        """For each assigned partition the offset of the first record that is not stored."""
        positions = {}
        for at in self._owned:
            # A partition that has been given up meanwhile is another sink's.
            with suppress(IllegalStateError):
                positions[at.partition] = await self._stored_up_to(at)
        return positions

    async def _stored_up_to(self, at: TopicPartition) -> int:
        pending = self._pending.get(at)
        if pending is None:
            committed = await self._consumer.committed(at)
            return int((await self._consumer.beginning_offsets([at]))[at] if committed is None else committed)
        # The position passes transaction markers, which are no records.
        return pending.start if pending.records else int(await self._consumer.position(at))

    async def run(self, stop: asyncio.Event) -> None:
        """Store events until ``stop`` is set; what was read by then is stored first.

        A partition whose offset does not fit the topic is left alone, and readiness tells of it: whatever
        else runs in this process goes on.

        Raises:
            KafkaError: the broker refuses for good.
        """
        await self.writer.warm()
        self._consumer = self._new_consumer()
        watch = asyncio.create_task(self._interrupt_at(stop))
        try:
            await self._consumer.start()
            self._consumer.subscribe([self._topic], listener=self)
            flushed = monotonic()
            while not stop.is_set():
                with suppress(Interrupted):
                    await self._poll()
                    due = monotonic() - flushed >= self._settings.insert_interval_s
                    if due or self._full():
                        await self._flush()
                        flushed = monotonic()
            with suppress(Interrupted):
                await self._flush()
                # What has just been stored is noted as stored, so that lag reads 0.
                await self._flush()
        finally:
            watch.cancel()
            await self._consumer.stop()

    def _new_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            group_id=self._group,
            isolation_level="read_committed",
            enable_auto_commit=False,
            # Positions are this sink's own word: where the log does not hold them, records were lost.
            auto_offset_reset="none",
            fetch_max_wait_ms=200,
            max_partition_fetch_bytes=4 << 20,
            session_timeout_ms=int(self._settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(self._settings.session_timeout_s * 250),
            # A store that is away for long must not cost the sink its partitions.
            max_poll_interval_ms=3_600_000,
        )

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Let the insert that is under way end, then forget what is not stored."""
        self._interrupted.set()
        async with self._working:
            # Until the group has agreed anew, the consumer still names its former partitions: one opened now
            # would be read from a position that the new assignment does not keep.
            self._joined, self._owned = False, frozenset()
            self._pending.clear()
            self._refused.clear()
        if not self._stopping:
            self._interrupted.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Opening waits for the next poll: here it would hold up the heartbeat."""
        self._joined, self._owned = True, frozenset(assigned)

    async def _interrupt_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._interrupted.set()

    async def _poll(self) -> None:
        await self._open_assigned()
        room = max(1, self._settings.batch_size - self._waiting())
        known = dict(self._pending)
        try:
            found = await self._consumer.getmany(timeout_ms=int(POLL_S * 1000), max_records=room)
        except NoOffsetForPartitionError:
            # A partition that has just been assigned; the next poll opens it and seeks.
            return
        except OffsetOutOfRangeError as error:
            # What was read before the others were removed is stored all the same.
            await self._flush()
            async with self._working:
                # The error's argument holds the offsets asked for, by partition. One that has just been
                # assigned was asked for at the committed offset: its opening says more.
                for at in known.keys() & self._pending.keys() & error.args[0].keys():
                    self._refuse(at, removed_unread(self._topic))
            return
        async with self._working:
            for at, records in found.items():
                # A partition that came in between is opened at the next poll, from its own start.
                if self._pending.get(at) is known.get(at) and at in known:
                    self._pending[at].take(records)
                    self.read_records += len(records)

    async def _open_assigned(self) -> None:
        async with self._working:
            for at in self._opening:
                try:
                    pending = await self._opened(at)
                except RefusedToOpen as error:
                    self._refuse(at, error)
                    continue
                self._consumer.seek(at, pending.start)
                self._pending[at] = pending
                log.info("sink_partition_open", partition=at.partition, position=pending.start)

    def _refuse(self, at: TopicPartition, error: RefusedToOpen) -> None:
        log.error("partition_refused", partition=at.partition, code=error.code, reason=str(error))
        self._pending.pop(at, None)
        self._refused[at] = error
        # Without a position the consumer would look for one, before it fetches anything of the others.
        self._consumer.seek(at, 0)
        self._consumer.pause(at)

    async def _opened(self, at: TopicPartition) -> Pending:
        """Where to read on, once the range that a former owner may have stored in part is stored whole."""
        found = await committed(self._consumer, at)
        async with Reader(self._settings.kafka_bootstrap, [(at.topic, at.partition)]) as reader:
            kept = await reader.log(at.topic, at.partition)
            start, end, doubtful_to = await place_of(
                at, found, kept, self._topic_id, self.writer.stored_up_to
            )
            if end > start:
                log.info("sink_repeats", partition=at.partition, start=start, end=end)
                # Committing in this generation shuts the former owner out before anything is inserted.
                if not await self._commit({at: self._note(start, end, doubtful_to)}):
                    raise Interrupted
                # As one, exactly as it was noted: an insert of the former owner that still runs somewhere
                # then carries the same token, and the engine takes one of the two.
                blocks = reader.blocks(at.topic, at.partition, start=start, end=end)
                records = [record async for block in blocks for record in block]
                await self.writer.store(at.partition, start, end, records, doubtful=True)
        pending = Pending(end, doubtful_to)
        # The committed offset still stands where the former owner's insert began.
        pending.noted = end > start
        return pending

    def _note(self, start: int, end: int | None, doubtful_to: int) -> OffsetAndMetadata:
        """``end`` is None where nothing is about to be inserted."""
        still_doubtful = doubtful_to if doubtful_to > (end or start) else None
        return OffsetAndMetadata(start, Progress(self._topic_id, end, still_doubtful).text())

    def _waiting(self) -> int:
        return sum(len(pending.records) for pending in self._pending.values())

    def _full(self) -> bool:
        waiting_bytes = sum(pending.size for pending in self._pending.values())
        return self._waiting() >= self._settings.batch_size or waiting_bytes >= MAX_WAITING_BYTES

    async def _flush(self) -> None:
        async with self._working:
            full = {at: pending for at, pending in self._pending.items() if pending.records}
            notes = await self._notes()
            if not notes or not await self._commit(notes):
                return
            for at, pending in full.items():
                doubtful = pending.doubtful or pending.start < pending.doubtful_to
                pending.noted = pending.doubtful = True
                await self.writer.store(
                    at.partition, pending.start, pending.end, pending.records, doubtful=doubtful
                )
                pending.clear()

    async def _notes(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """What to commit now: the ranges to be inserted, and how far all is stored where nothing waits."""
        notes = {}
        for at, pending in self._pending.items():
            end = pending.end if pending.records else None
            if end is None:
                # Beyond the last record, because its transaction's marker follows: once all is old and
                # deleted, the log starts behind that marker.
                stored = int(await self._consumer.position(at))
                if stored == pending.start and not pending.noted:
                    continue
                pending.start, pending.end, pending.noted = stored, stored, False
            notes[at] = self._note(pending.start, end, pending.doubtful_to)
        return notes

    async def _commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
        """Whether the broker still takes this sink for the owner; if not, all is read anew."""
        now = time.clock_gettime(_CLOCK)
        try:
            # From one that has been told that it is no member any longer, the broker would take the offsets
            # of a group that has none.
            if not self._consumer._coordinator.member_id:
                raise UnknownMemberIdError(self._group)
            await self._consumer.commit(offsets)
        except _LOST_GENERATION as error:
            log.warning("sink_lost_partitions", reason=str(error))
            self._pending.clear()
            return False
        self._noted |= {at: (note, now) for at, note in offsets.items()}
        return True

    async def _confirm(self, partition: int) -> None:
        """See that what is about to be inserted is this sink's still.

        A note says so for as long as the group cannot have given the partition to another: one that is older
        than half of the session is committed again.

        Raises:
            Interrupted: it is another sink's now.
        """
        at = TopicPartition(self._topic, partition)
        note, since = self._noted[at]
        fresh = time.clock_gettime(_CLOCK) - since <= self._settings.session_timeout_s / 2
        if not fresh and not await self._commit({at: note}):
            raise Interrupted
