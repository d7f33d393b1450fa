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

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.logs import Logs
from tests.sinks.asking import DEADLINE_S, until
from tests.sinks.faulty_store import FaultyStore

_DAY_MS = 86_400_000


@dataclass
class Enriched:
    """The topic events.enriched of one installation, and the store behind it."""

    settings: SinkSettings
    store_settings: StoreSettings
    store: Store
    topic_id: str
    producer: Producer
    published: int = 0

    def publish(self, number: int, *, days_apart: float = 0.0, abort: bool = False) -> None:
        """One transaction of events, turn about in both partitions, each so many days before the last."""
        now = int(time.time() * 1000)
        self.producer.begin_transaction()
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
            body = json.dumps(event).encode()
            self.producer.produce(self.settings.topic("events.enriched"), body, partition=at % 2)
        self.producer.flush(20)
        if abort:
            self.producer.abort_transaction(20)
        else:
            self.producer.commit_transaction(20)
            self.published += number

    def sink(self, store: Store | None = None, **changes: Any) -> Sink:
        settings = self.settings.model_copy(update=changes)
        return Sink(settings, store or self.store, self.store_settings, self.topic_id)

    async def waiting(self, sink: Sink) -> int:
        """Records, and transactions' markers, on the sink's partitions that it has not stored yet."""
        topic, positions = self.settings.topic("events.enriched"), await sink.positions()
        logs = Logs(self.settings.kafka_bootstrap)
        try:
            ends = await logs.ends([(topic, partition) for partition in positions])
        finally:
            logs.close()
        return sum(max(0, end - positions[partition]) for (_, partition), end in ends.items())

    def records(self) -> set[tuple[int, int, str]]:
        """(partition, offset, uuid) of every committed record, by a plain consumer."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
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


def delete_records(enriched: Enriched, *partitions: int) -> None:
    """Delete all records, as Kafka does when they are older than the topic's retention."""
    admin = AdminClient({"bootstrap.servers": enriched.settings.kafka_bootstrap})
    topic = enriched.settings.topic("events.enriched")
    for future in admin.delete_records([TopicPartition(topic, p, -1) for p in partitions]).values():
        future.result(10)


async def kill(sink: Sink, store: FaultyStore, insert: int) -> None:
    """Run the sink until its ``insert``-th insert stands still, then cut it off."""
    task = asyncio.create_task(sink.run(asyncio.Event()))
    await until(lambda: len(store.inserts) >= insert or task.done(), f"insert {insert}")
    # What stands still in the insert has passed its point by then.
    await until(lambda: store.stands_still or task.done(), "standing still")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
