"""The topic events.enriched of one installation, sinks on it, and the check that each record is one row."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiokafka
from aiokafka.admin import AIOKafkaAdminClient
from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_sinks.progress import Progress
from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.logs import Logs
from loopin_streams.projects.project import Projects
from tests.sinks.asking import DEADLINE_S, until
from tests.sinks.faulty_store import FaultyStore
from tests.transactions import Out, Transactions

_DAY_MS = 86_400_000


@dataclass
class Enriched:
    """The topic events.enriched of one installation, and the store behind it."""

    settings: SinkSettings
    store_settings: StoreSettings
    store: Store
    topic_id: str
    writer: Transactions
    published: int = 0

    def publish(self, number: int, *, days_apart: float = 0.0, abort: bool = False) -> None:
        """One transaction of events, turn about in both partitions, each so many days before the last."""
        now = int(time.time() * 1000)
        records = []
        for at in range(number):
            event = {
                "uuid": str(uuid.uuid4()),
                "project": "demo",
                "event": "click",
                "distinct_id": f"u{at}",
                "timestamp": now - int(at // 2 * days_apart * _DAY_MS),
                "received_at": now,
                "sent_at": now - 5,
                "properties": {"at": at},
                "_raw_partition": at % 2,
                "_raw_offset": at,
            }
            records.append(self.record(json.dumps(event).encode(), at % 2))
        self.writer.begin(records)
        if abort:
            self.writer.abort()
        else:
            self.writer.commit()
            self.published += number

    def record(self, value: bytes | None, partition: int, key: bytes | None = None) -> Out:
        """One on the topic, to be written."""
        return Out(self.settings.topic("events.enriched"), partition, key, value)

    def sink(self, store: Store | None = None, **changes: Any) -> Sink:
        settings = self.settings.model_copy(update=changes)
        return Sink(settings, store or self.store, Projects(), self.topic_id)

    async def waiting(self, sink: Sink) -> int:
        """Records, and transactions' markers, on the sink's partitions that it has not stored yet."""
        topic, positions = self.settings.topic("events.enriched"), await sink.positions()
        logs = Logs(self.settings.kafka_bootstrap)
        try:
            ends = await logs.ends([(topic, partition) for partition in positions])
        finally:
            logs.close()
        return sum(max(0, end - positions[partition]) for (_, partition), end in ends.items())

    @property
    def group(self) -> str:
        return f"{self.settings.topic_prefix}clickhouse"

    def forget_group(self) -> None:
        """As Kafka does with a group that nobody has been in for long."""
        admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap})
        admin.delete_consumer_groups([self.group])[self.group].result(10)

    async def commit(self, partition: int, offset: int, note: str) -> None:
        """What a sink has left of a partition; not by confluent-kafka, which adds a byte to the note."""
        at = aiokafka.TopicPartition(self.settings.topic("events.enriched"), partition)
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap, group_id=self.group, enable_auto_commit=False
        )
        await consumer.start()
        consumer.assign([at])
        await consumer.commit({at: (offset, note)})
        await consumer.stop()

    async def notes(self) -> dict[int, tuple[int, Progress]]:
        """The committed offsets and their notes, by partition."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.settings.kafka_bootstrap)
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(self.group)
        finally:
            await admin.close()
        notes = {at.partition: (kept.offset, Progress.of(kept.metadata)) for at, kept in found.items()}
        return {partition: (offset, note) for partition, (offset, note) in notes.items() if note is not None}

    def records(self) -> set[tuple[int, int, str]]:
        """(partition, offset, uuid) of every committed record, by a plain consumer."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 10,
            }
        )
        topic = self.settings.topic("events.enriched")
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(2)])
        found: set[tuple[int, int, str]] = set()
        ended: set[int] = set()
        while len(ended) < 2:
            for message in consumer.consume(10_000, 0.1):
                error = message.error()
                if error is None:
                    identity = json.loads(message.value() or b"")["uuid"]
                    found.add((message.partition(), message.offset(), identity))
                else:
                    assert error.code() == KafkaError._PARTITION_EOF
                    ended.add(message.partition())
        consumer.close()
        return found

    async def assert_stored_once(self) -> None:
        """Each committed record is exactly one row, counted without FINAL."""
        rows = await self.store.query(
            "SELECT _partition AS p, _offset AS o, toString(uuid) AS u, toString(_topic_id) AS t FROM events"
        )
        stored = [(row["p"], row["o"], row["u"]) for row in rows]
        expected = self.records()
        assert len(expected) == self.published
        assert len(stored) == len(set(stored)), "rows were doubled"
        assert set(stored) == expected
        assert {row["t"] for row in rows} <= {self.topic_id}


@asynccontextmanager
async def running(sink: Sink) -> AsyncIterator[asyncio.Event]:
    """The sink at work; stopped at the end as its role stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await task


async def stored_all(enriched: Enriched, *sinks: Sink) -> None:
    """Until the sinks together have stored what was published."""

    async def count() -> int:
        return int((await enriched.store.query("SELECT count() AS c FROM events"))[0]["c"])

    deadline = time.monotonic() + DEADLINE_S
    while await count() < enriched.published or any([await enriched.waiting(sink) for sink in sinks]):
        assert time.monotonic() < deadline, f"{await count()} of {enriched.published} rows are stored"
        await asyncio.sleep(0.02)


def delete_records(enriched: Enriched, *partitions: int, up_to: int = -1) -> None:
    """Delete records, all by default, as Kafka does when they are older than the topic's retention."""
    admin = AdminClient({"bootstrap.servers": enriched.settings.kafka_bootstrap})
    topic = enriched.settings.topic("events.enriched")
    for future in admin.delete_records([TopicPartition(topic, p, up_to) for p in partitions]).values():
        future.result(10)


async def kill(sink: Sink, store: FaultyStore, insert: int) -> None:
    """Run the sink until its ``insert``-th insert stands still, then cut it off."""
    task = asyncio.create_task(sink.run(asyncio.Event()))
    await until(lambda: len(store.inserts) >= insert or task.done(), f"insert {insert}")
    # What stands still in the insert has passed its point by then.
    await until(lambda: store.stands_still or task.done(), "standing still")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
