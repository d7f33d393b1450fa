"""From ``events.enriched`` to ClickHouse, each event once.

The identity of a row is the record it came from: topic id, partition, offset. Before an insert the sink
commits its offset with the end of the range as metadata, so the broker turns away a sink of an older
generation there; then it inserts. A successor finds the range, asks the store which of its offsets are
there, and inserts the others: an insert that was cut off anywhere neither loses nor doubles a row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic

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
from loopin_sinks.progress import Progress
from loopin_sinks.refusals import outside, recreated, removed_unread
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_sinks.writer import Interrupted, RangeWriter
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Reader

log = structlog.get_logger(__name__)

POLL_S = 0.1

MAX_WAITING_BYTES = 64 << 20
"""Values that wait for an insert, of all partitions: ``batch_size`` of the largest events would be 3 GB."""

_LOST_GENERATION = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)


class Sink(ConsumerRebalanceListener):
    """Consumes ``events.enriched`` and inserts into the table ``events``.

    Use :meth:`run`; ``writer`` and the rest may be read at any time on the same event loop. ``read_records``
    counts what was consumed.
    """

    def __init__(
        self, settings: SinkSettings, store: Store, store_settings: StoreSettings, topic_id: str
    ) -> None:
        self._settings = settings
        self._group = f"{settings.topic_prefix}clickhouse"
        self._topic = settings.topic(ENRICHED.name)
        self._topic_id = topic_id
        self._joined = False
        self._owned: frozenset[TopicPartition] = frozenset()
        self._pending: dict[TopicPartition, Pending] = {}
        self._refused: dict[TopicPartition, RefusedToOpen] = {}
        self._working = asyncio.Lock()
        self._interrupted = asyncio.Event()
        self.writer = RangeWriter(
            store,
            topic=self._topic,
            topic_id=topic_id,
            dlq=settings.topic(DLQ.name),
            bootstrap=settings.kafka_bootstrap,
            retention=store_settings.retention,
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
        if self.writer.failing:
            return self.writer.failing
        if not self._joined:
            return "no partitions are assigned yet"
        if self._opening:
            opening = sorted(at.partition for at in self._opening)
            return f"partitions are being opened: {', '.join(map(str, opening))}"
        refused = sorted((at.partition, str(why)) for at, why in self._refused.items())
        return " ".join(f"Partition {number} is refused: {why}" for number, why in refused) or None

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

        A partition whose offset does not fit the topic is left alone while there are others to work on.

        Raises:
            RefusedToOpen: the topic is another one than the offsets were committed for, or has lost records,
                in every partition that this sink was assigned.
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
                # The error's argument holds the offsets asked for, by partition.
                for at in self._owned & error.args[0].keys():
                    self._refuse(at, removed_unread(self._topic, self._group))
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
                    start, repeated = await self._opened(at)
                except RefusedToOpen as error:
                    self._refuse(at, error)
                    continue
                self._consumer.seek(at, start)
                pending = self._pending[at] = Pending(start)
                # The committed offset still stands where the former owner's insert began.
                pending.noted = repeated
                log.info("sink_partition_open", partition=at.partition, position=start)
            if self._refused and not self._pending:
                raise next(iter(self._refused.values()))

    def _refuse(self, at: TopicPartition, error: RefusedToOpen) -> None:
        log.error("partition_refused", partition=at.partition, code=error.code, reason=str(error))
        self._pending.pop(at, None)
        self._refused[at] = error
        # Without a position the consumer would look for one, before it fetches anything of the others.
        self._consumer.seek(at, 0)
        self._consumer.pause(at)

    async def _opened(self, at: TopicPartition) -> tuple[int, bool]:
        """Where to read on, once all that a former owner may have stored in part is stored whole.

        And whether there was such a thing.
        """
        # The public `committed` leaves the metadata out.
        committed = (await self._consumer._coordinator.fetch_committed_offsets([at])).get(at)
        found = committed if committed is not None and committed.offset >= 0 else None
        async with Reader(self._settings.kafka_bootstrap, [(at.topic, at.partition)]) as reader:
            kept = await reader.log(at.topic, at.partition)
            start = found.offset if found is not None else kept.start
            noted = Progress.of(found.metadata) if found is not None else None
            if noted is not None and noted.topic_id != self._topic_id:
                raise recreated(self._topic, self._group)
            if not kept.start <= start <= kept.end:
                raise outside(at, start, kept, self._group)
            # Without a note, the offset is somebody else's word or none: the store knows what it holds.
            end = noted.end if noted is not None else await self.writer.stored_up_to(at.partition)
            if end is None or end <= start:
                return start, False
            log.info("sink_repeats", partition=at.partition, start=start, end=end)
            # Committing in this generation shuts the former owner out before anything is inserted.
            if not await self._commit({at: OffsetAndMetadata(start, Progress(self._topic_id, end).text())}):
                raise Interrupted
            blocks = reader.blocks(at.topic, at.partition, start=start, end=end)
            if noted is not None:
                # As one, exactly as it was noted: an insert of the former owner that still runs somewhere
                # then carries the same token, and the engine takes one of the two.
                records = [record async for block in blocks for record in block]
                await self.writer.store(at.partition, start, end, records, doubtful=True)
                return end, True
            async for block in blocks:
                if block:
                    await self.writer.store(
                        at.partition, block[0].offset, block[-1].offset + 1, block, doubtful=True
                    )
        return end, True

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
                doubtful, pending.noted, pending.doubtful = pending.doubtful, True, True
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
            notes[at] = OffsetAndMetadata(pending.start, Progress(self._topic_id, end).text())
        return notes

    async def _commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
        """Whether the broker still takes this sink for the owner; if not, all is read anew."""
        try:
            await self._consumer.commit(offsets)
        except _LOST_GENERATION as error:
            log.warning("sink_lost_partitions", reason=str(error))
            self._pending.clear()
            return False
        return True
