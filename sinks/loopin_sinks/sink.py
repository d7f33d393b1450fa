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
from itertools import count
from time import monotonic, time

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalGenerationError, UnknownMemberIdError
from aiokafka.structs import OffsetAndMetadata

from loopin_schemas.codec import decoder
from loopin_schemas.event import EnrichedEvent
from loopin_schemas.topics import ENRICHED
from loopin_sinks.latency import Latency
from loopin_sinks.progress import Progress
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreError, StoreSettings
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Reader

log = structlog.get_logger(__name__)

TABLE = "events"
POLL_S = 0.1
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between attempts while the store is away; the last one repeats."""

MAX_CLOCK_ERROR_MS = 3_600_000
"""A client's clock that is further off says nothing of latency."""

_LOST_GENERATION = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)
_decode = decoder(EnrichedEvent).decode


class Interrupted(Exception):
    """The sink was told to stop, or lost its partitions, while the store was away."""


class _Pending:
    """Records of one partition that are read but not stored: ``start`` <= offset < ``end``.

    ``noted`` says whether the committed offset carries the end of a range, ``doubtful`` whether some of
    the records may be stored already.
    """

    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.records: list[Record] = []
        self.noted = self.doubtful = False

    def take(self, records: Sequence[Record]) -> None:
        self.records += records
        self.end = records[-1].offset + 1

    def clear(self) -> None:
        self.start, self.records, self.doubtful = self.end, [], False


class Sink(ConsumerRebalanceListener):
    """Consumes ``events.enriched`` and inserts into the table ``events``.

    Use :meth:`run`; the rest may be read at any time on the same event loop. ``failing`` holds one sentence
    while the store refuses inserts.
    """

    def __init__(
        self, settings: SinkSettings, store: Store, store_settings: StoreSettings, topic_id: str
    ) -> None:
        self.latency = Latency()
        self.failing: str | None = None
        self.stored_rows = 0
        self.newest_received_ms: int | None = None
        self._settings = settings
        self._store = store
        self._retention = store_settings.retention
        self._topic = settings.topic(ENRICHED.name)
        self._topic_id = topic_id
        self._pending: dict[TopicPartition, _Pending] = {}
        self._working = asyncio.Lock()
        self._interrupted = asyncio.Event()
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=f"{settings.topic_prefix}clickhouse",
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=200,
            max_partition_fetch_bytes=4 << 20,
            session_timeout_ms=int(settings.session_timeout_s * 1000),
            heartbeat_interval_ms=int(settings.session_timeout_s * 250),
            # A store that is away for long must not cost the sink its partitions.
            max_poll_interval_ms=3_600_000,
        )

    @property
    def assigned(self) -> bool:
        """Whether the sink holds any partition."""
        return bool(self._pending)

    async def lag(self) -> int:
        """Records on the assigned partitions that are not stored yet."""
        ends = await self._consumer.end_offsets(list(self._pending)) if self._pending else {}
        lag = 0
        for at, end in ends.items():
            pending = self._pending.get(at)
            if pending is not None:
                # The position passes transaction markers, which are no records.
                start = pending.start if pending.records else await self._consumer.position(at)
                lag += max(0, end - start)
        return lag

    async def run(self, stop: asyncio.Event) -> None:
        """Store events until ``stop`` is set; what was read by then is stored first.

        Raises:
            RefusedToOpen: the topic is another one than the offsets were committed for.
            KafkaError: the broker refuses for good.
        """
        await self._consumer.start()
        self._consumer.subscribe([self._topic], listener=self)
        watch = asyncio.create_task(self._interrupt_at(stop))
        try:
            flushed = monotonic()
            while not stop.is_set():
                with suppress(Interrupted):
                    await self._poll()
                    due = monotonic() - flushed >= self._settings.insert_interval_s
                    if due or self._waiting() >= self._settings.batch_size:
                        await self._flush()
                        flushed = monotonic()
            with suppress(Interrupted):
                await self._flush()
                await self._note_stored()
        finally:
            watch.cancel()
            await self._consumer.stop()

    async def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Let the insert that is under way end, then forget what is not stored."""
        self._interrupted.set()
        async with self._working:
            for at in revoked:
                self._pending.pop(at, None)
        self._interrupted.clear()

    async def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Opening waits for the next poll: here it would hold up the heartbeat."""

    async def _interrupt_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._interrupted.set()

    async def _poll(self) -> None:
        async with self._working:
            for at in self._consumer.assignment() - self._pending.keys():
                start = await self._opened(at)
                self._consumer.seek(at, start)
                self._pending[at] = _Pending(start)
                log.info("sink_partition_open", partition=at.partition, position=start)
        room = max(1, self._settings.batch_size - self._waiting())
        known = dict(self._pending)
        found = await self._consumer.getmany(timeout_ms=int(POLL_S * 1000), max_records=room)
        async with self._working:
            for at, records in found.items():
                # A partition that came in between is opened at the next poll, from its own start.
                if self._pending.get(at) is known.get(at) and at in known:
                    self._pending[at].take(records)

    async def _opened(self, at: TopicPartition) -> int:
        """Where to read on, once the range that the last owner noted is stored whole."""
        # The public `committed` leaves the metadata out.
        committed = (await self._consumer._coordinator.fetch_committed_offsets([at])).get(at)
        if committed is None or committed.offset < 0:
            return int((await self._consumer.beginning_offsets([at]))[at])
        noted = Progress.of(committed.metadata)
        if noted is not None and noted.topic_id != self._topic_id:
            raise RefusedToOpen(
                "topic_recreated",
                f"The topic {self._topic} was deleted and created again since the sink last stored it: "
                f"delete the consumer group {self._settings.topic_prefix}clickhouse to start anew.",
            )
        if noted is None or noted.end is None:
            return int(committed.offset)
        log.info("sink_repeats", partition=at.partition, start=committed.offset, end=noted.end)
        # Committing in this generation shuts the former owner out before anything is inserted.
        if not await self._commit({at: OffsetAndMetadata(committed.offset, noted.text())}):
            raise Interrupted
        await self._repeat(at, committed.offset, noted.end)
        return noted.end

    async def _repeat(self, at: TopicPartition, start: int, end: int) -> None:
        async with Reader(self._settings.kafka_bootstrap, [(at.topic, at.partition)]) as reader:
            blocks = reader.blocks(at.topic, at.partition, start=start, end=end)
            records = [record async for block in blocks for record in block]
        await self._insert_until_stored(at, start, end, records, doubtful=True)

    def _waiting(self) -> int:
        return sum(len(pending.records) for pending in self._pending.values())

    async def _flush(self) -> None:
        async with self._working:
            full = {at: pending for at, pending in self._pending.items() if pending.records}
            if not full:
                await self._note_stored()
                return
            notes = {
                at: OffsetAndMetadata(pending.start, Progress(self._topic_id, pending.end).text())
                for at, pending in full.items()
            }
            if not await self._commit(notes):
                return
            for at, pending in full.items():
                doubtful, pending.noted, pending.doubtful = pending.doubtful, True, True
                await self._insert_until_stored(
                    at, pending.start, pending.end, pending.records, doubtful=doubtful
                )
                pending.clear()

    async def _note_stored(self) -> None:
        """Commit offsets without a range once nothing waits, so that lag reads 0."""
        done = {at: pending for at, pending in self._pending.items() if pending.noted and not pending.records}
        note = Progress(self._topic_id).text()
        if done and await self._commit({at: OffsetAndMetadata(p.start, note) for at, p in done.items()}):
            for pending in done.values():
                pending.noted = False

    async def _commit(self, offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
        """Whether the broker still takes this sink for the owner; if not, all is read anew."""
        try:
            await self._consumer.commit(offsets)
        except _LOST_GENERATION as error:
            log.warning("sink_lost_partitions", reason=str(error))
            self._pending.clear()
            return False
        return True

    async def _insert_until_stored(
        self, at: TopicPartition, start: int, end: int, records: Sequence[Record], *, doubtful: bool = False
    ) -> None:
        """Insert a range; after a failure only what the store does not hold, until it does.

        Raises:
            Interrupted: told to give up; the committed note tells the successor what to repeat.
        """
        for attempt in count():
            try:
                if doubtful:
                    held = await self._held(at.partition, start, end)
                    records = [record for record in records if record.offset not in held]
                await self._insert(at, start, end, records)
            except StoreError as error:
                doubtful = True
                self.failing = str(error)
                log.error("insert_failed", partition=at.partition, reason=str(error), attempt=attempt + 1)
                await self._wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            else:
                self.failing = None
                return

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._interrupted.wait()
        except TimeoutError:
            return
        raise Interrupted

    async def _held(self, partition: int, start: int, end: int) -> set[int]:
        """Offsets of the range that the store has."""
        rows = await self._store.query(
            f"SELECT DISTINCT _offset AS held FROM {TABLE} WHERE _topic_id = {{topic:UUID}} "
            "AND _partition = {partition:UInt32} AND _offset >= {start:Int64} AND _offset < {end:Int64}",
            {"topic": self._topic_id, "partition": partition, "start": start, "end": end},
        )
        return {int(row["held"]) for row in rows}

    async def _insert(self, at: TopicPartition, start: int, end: int, records: Sequence[Record]) -> None:
        if not records:
            return
        events = [_decode(record.value or b"") for record in records]
        offsets = [record.offset for record in records]
        now = int(time() * 1000)
        rows = to_arrow(events, at.partition, offsets, self._topic_id, self._retention, now)
        for month, part in by_month(rows):
            # The token names exactly these rows: a range repeated in part has another first or last offset
            # or another count.
            held = part["_offset"]
            token = f"{self._topic_id}:{at.partition}:{held[0]}-{held[-1]}:{len(part)}:{month}"
            await self._store.insert(TABLE, part, token=token)
        now = int(time() * 1000)
        self.latency.add(now - _sent(event) for event in events)
        self.stored_rows += len(events)
        newest = max(event.received_at for event in events)
        self.newest_received_ms = max(newest, self.newest_received_ms or 0)


def _sent(event: EnrichedEvent) -> int:
    """When the event left the client, by its clock unless that is plainly wrong; epoch ms."""
    sent = event.sent_at
    if sent is not None and abs(event.received_at - sent) <= MAX_CLOCK_ERROR_MS:
        return sent
    return event.received_at
