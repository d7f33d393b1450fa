"""Ranges of ``events.enriched`` into the table ``events``, until the store holds every row once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from hashlib import blake2b
from itertools import count
from time import time

import msgspec
import pyarrow as pa
import structlog
from aiokafka import AIOKafkaProducer

from loopin_schemas.codec import decoder, encode
from loopin_schemas.dead_letter import MAX_BODY_BYTES, MAX_KEY_BYTES, DeadLetter, fingerprint
from loopin_schemas.event import EnrichedEvent
from loopin_sinks.latency import Latency
from loopin_sinks.persons.properties import store_properties
from loopin_sinks.repair.requests import late_windows, request_repairs
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreError
from loopin_streams.kafka.batch import Record

log = structlog.get_logger(__name__)

TABLE = "events"
RETRY_S = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Waits between attempts while the store is away; the last one repeats."""

MAX_CLOCK_ERROR_MS = 3_600_000
"""A client's clock that is further off says nothing of latency."""

_decode = decoder(EnrichedEvent).decode
Row = tuple[int, EnrichedEvent]
"""An event and its offset."""


class Interrupted(Exception):
    """The sink was told to stop, or lost its partitions, while the store was away."""


class RangeWriter:
    """Writes ranges of one topic; a row is known by topic id, partition and offset.

    ``failing`` holds one sentence while the store refuses inserts, ``unreadable`` counts records that are no
    enriched event. A record that cannot be read goes to the dead letters and the others are stored.

    Args:
        store: open, with the table migrated.
        topic, topic_id: full name of ``events.enriched``, and Kafka's id of it.
        dlq: full name of ``events.dlq``.
        bootstrap: where dead letters are published.
        retention: days that a project's events are kept.
        confirm: awaited before each insert, with the partition; raises Interrupted where another sink may own
            it by now.
        interrupted: set when a range is to be given up; the committed note tells the successor of it.
    """

    def __init__(
        self,
        store: Store,
        *,
        topic: str,
        topic_id: str,
        dlq: str,
        bootstrap: str,
        retention: Callable[[str], int],
        confirm: Callable[[int], Awaitable[None]],
        interrupted: asyncio.Event,
    ) -> None:
        self.latency = Latency()
        self.failing: str | None = None
        self.stored_rows = 0
        self.unreadable = 0
        self.newest_received_ms: int | None = None
        self._store = store
        self._topic = topic
        self._topic_id = topic_id
        self._dlq = dlq
        self._bootstrap = bootstrap
        self._retention = retention
        self._confirm = confirm
        self._interrupted = interrupted

    async def store(
        self, partition: int, start: int, end: int, records: Sequence[Record], *, doubtful: bool = False
    ) -> None:
        """Insert a range; if it is doubtful, or after a failure, only what the store does not hold.

        Raises:
            Interrupted: told to give up, or not the owner any longer.
        """
        rows, unreadable = await asyncio.to_thread(_read, records)
        if unreadable:
            await self._dead_letter(partition, unreadable)
        late = late_windows(event for _, event in rows)
        # What this sink stores, whichever attempt does it: all but what a former owner has stored.
        own = None if doubtful else rows
        for attempt in count():
            try:
                if doubtful:
                    held = await self._held(partition, start, end)
                    rows = [(offset, event) for offset, event in rows if offset not in held]
                own = rows if own is None else own
                await self._insert(partition, rows)
                # After the events: whoever repairs then finds them. A successor repeats the whole range.
                await request_repairs(self._store, late)
            except StoreError as error:
                doubtful = True
                self.failing = str(error)
                log.error("insert_failed", partition=partition, reason=str(error), attempt=attempt + 1)
                await self._wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            else:
                self.failing = None
                self._measure([event for _, event in own])
                return

    async def warm(self) -> None:
        """Load what the first conversion needs (0.7 s), so that the first events need not wait for it."""
        event = EnrichedEvent(
            uuid="00000000-0000-0000-0000-000000000001",
            project="warm",
            event="warm",
            distinct_id="warm",
            timestamp=0,
            received_at=0,
            raw_partition=0,
            raw_offset=0,
        )
        await asyncio.to_thread(self._tables, 0, [(0, event)])

    async def stored_up_to(self, partition: int) -> int:
        """The offset after the last one of the partition that the store holds; 0 where it holds none.

        Waits for the store as :meth:`store` does.
        """
        attempt = 0
        while True:
            try:
                found = await stored_up_to(self._store, self._topic_id, partition)
            except StoreError as error:
                self.failing = str(error)
                await self._wait(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                attempt += 1
            else:
                self.failing = None
                return found

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

    async def _insert(self, partition: int, rows: Sequence[Row]) -> None:
        if not rows:
            return
        # Before the events, because those that are stored are not looked at again.
        await store_properties(self._store, [event for _, event in rows])
        for token, part in await asyncio.to_thread(self._tables, partition, rows):
            await self._confirm(partition)
            await self._store.insert(TABLE, part, token=token)

    def _tables(self, partition: int, rows: Sequence[Row]) -> list[tuple[str, pa.Table]]:
        """What to insert, one table a month, each after the token that it is inserted under."""
        offsets, events = [offset for offset, _ in rows], [event for _, event in rows]
        now = int(time() * 1000)
        tables = by_month(to_arrow(events, partition, offsets, self._topic_id, self._retention, now))
        where = f"{self._topic_id}:{partition}"
        return [(f"{where}:{month}:{_named(part)}", part) for month, part in tables]

    async def _dead_letter(self, partition: int, records: Sequence[tuple[Record, str]]) -> None:
        """Publish what cannot be read; once more if the range is repeated."""
        self.unreadable += len(records)
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, enable_idempotence=True, compression_type="zstd"
        )
        await producer.start()
        try:
            for record, reason in records:
                log.error("record_unreadable", partition=partition, offset=record.offset, reason=reason)
                key = f"{self._topic}:{partition}:{record.offset}".encode()
                letter = encode(self._letter(partition, record, reason))
                await producer.send_and_wait(self._dlq, letter, key=key, partition=partition)
        finally:
            await producer.stop()

    def _letter(self, partition: int, record: Record, reason: str) -> DeadLetter:
        body = record.value or b""
        return DeadLetter(
            reason="unreadable",
            step="sink",
            message=f"This is no enriched event of this release ({reason}).",
            topic=self._topic,
            topic_id=self._topic_id,
            partition=partition,
            offset=record.offset,
            first_seen=record.timestamp,
            last_seen=record.timestamp,
            size=len(body),
            sha256=fingerprint(body),
            body=body[:MAX_BODY_BYTES],
            key=record.key[:MAX_KEY_BYTES] if record.key is not None else None,
        )

    def _measure(self, events: Sequence[EnrichedEvent]) -> None:
        if not events:
            return
        now = int(time() * 1000)
        self.latency.add(now - _sent(event) for event in events)
        self.stored_rows += len(events)
        newest = max(event.received_at for event in events)
        self.newest_received_ms = max(newest, self.newest_received_ms or 0)


async def stored_up_to(store: Store, topic_id: str, partition: int) -> int:
    """The offset after the last one of a partition that the store holds; 0 where it holds none.

    Raises:
        StoreError: the store does not say.
    """
    sql = (
        f"SELECT max(_offset) + 1 FROM {TABLE} "
        "WHERE _topic_id = {topic:UUID} AND _partition = {partition:UInt32} HAVING count() > 0"
    )
    # It reads the whole table: a stream, because a query's time is bounded for people who wait.
    async with store.stream(sql, {"topic": topic_id, "partition": partition}) as rows:
        found = [row async for block in rows for row in block]
    return int(str(found[0][0])) if found else 0


def _named(part: pa.Table) -> str:
    """A name for exactly these rows.

    A range that is repeated in part has others, and so has a log that lost its end and grew again.
    """
    offsets, digest = part["_offset"], blake2b(digest_size=8)
    for uuids in part["uuid"].chunks:
        digest.update("".join(uuids.to_pylist()).encode())
    return f"{offsets[0]}-{offsets[-1]}:{len(part)}:{digest.hexdigest()}"


def _read(records: Sequence[Record]) -> tuple[list[Row], list[tuple[Record, str]]]:
    rows: list[Row] = []
    unreadable: list[tuple[Record, str]] = []
    for record in records:
        try:
            rows.append((record.offset, _decode(record.value or b"")))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            unreadable.append((record, f"{type(error).__name__}: {str(error)[:200]}"))
    return rows, unreadable


def _sent(event: EnrichedEvent) -> int:
    """When the event left the client, by its clock unless that is plainly wrong; epoch ms."""
    sent = event.sent_at
    if sent is not None and abs(event.received_at - sent) <= MAX_CLOCK_ERROR_MS:
        return sent
    return event.received_at
