"""The topic of windows in one installation, and a sink of it at work."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiokafka
from confluent_kafka import Consumer, TopicPartition

from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.metric_sink import MetricSink
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.projects.project import Projects
from tests.transactions import Out, Transactions

DAY_MS = 86_400_000
TODAY_MS = int(time.time()) * 1000 // DAY_MS * DAY_MS


Row = tuple[str, int, int, bool]
"""Value of the dimension, start, count, closed."""


@dataclass
class Metrics:
    """The topic metrics of one installation, and the store behind it."""

    settings: SinkSettings
    store_settings: StoreSettings
    store: Store
    topic_id: str
    writer: Transactions
    revision: int = 0
    newest: dict[tuple[str, int], Row] = field(default_factory=dict)

    def publish(
        self,
        value: str = "IN",
        count: int = 1,
        *,
        start: int = TODAY_MS,
        closed: bool = False,
        revision: int | None = None,
        partition: int = 0,
    ) -> None:
        """One window in a transaction of its own, as the merge does it."""
        self.revision = self.revision + 1 if revision is None else revision
        window = {
            **{
                "project": "demo",
                "metric": "events",
                "dimension": "country",
                "value": value,
                "grain": "hour",
            },
            **{"start": start, "count": count, "closed": closed, "revision": self.revision},
        }
        self.send(json.dumps(window).encode(), partition)
        self.newest[value, start] = value, start, count, closed

    def send(self, body: bytes | None, partition: int = 0, *, commit: bool = True) -> None:
        self.writer.begin([Out(self.settings.topic("metrics"), partition, None, body)])
        if commit:
            self.writer.commit()
        else:
            self.writer.abort()

    def sink(self, store: Store | None = None, **changes: Any) -> MetricSink:
        settings = self.settings.model_copy(update=changes)
        return MetricSink(settings, store or self.store, Projects(), self.topic_id)

    async def stored(self) -> list[Row]:
        """The newest row of each window."""
        rows = await self.store.query(
            "SELECT dimension_value AS v, start, count, closed FROM metric_windows FINAL ORDER BY v, start"
        )
        since = datetime(1970, 1, 1, tzinfo=UTC)
        return [
            (row["v"], int((row["start"] - since).total_seconds()) * 1000, row["count"], row["closed"])
            for row in rows
        ]

    async def wait_stored(self) -> None:
        """Until the newest revision of each window published is stored."""
        expected = sorted(self.newest.values())
        deadline = time.monotonic() + 180
        while await self.stored() != expected:
            assert time.monotonic() < deadline, f"{await self.stored()} is stored, not {expected}"
            await asyncio.sleep(0.02)

    def committed(self) -> list[int]:
        """The group's committed offsets by partition, -1001 for none."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "group.id": f"{self.settings.topic_prefix}clickhouse-metrics",
            }
        )
        topic = self.settings.topic("metrics")
        found = consumer.committed([TopicPartition(topic, partition) for partition in range(2)], 20)
        consumer.close()
        return [at.offset for at in found]

    async def commit(self, offset: int, note: str) -> None:
        """What a sink has left of partition 0; not by confluent-kafka, which adds a byte to the note."""
        at = aiokafka.TopicPartition(self.settings.topic("metrics"), 0)
        consumer = aiokafka.AIOKafkaConsumer(
            bootstrap_servers=self.settings.kafka_bootstrap,
            group_id=f"{self.settings.topic_prefix}clickhouse-metrics",
            enable_auto_commit=False,
        )
        await consumer.start()
        consumer.assign([at])
        await consumer.commit({at: (offset, note)})
        await consumer.stop()


@asynccontextmanager
async def running(sink: LatestSink[Any, Any]) -> AsyncIterator[asyncio.Task[None]]:
    """The sink at work; stopped at the end as its role stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    try:
        yield task
    finally:
        stop.set()
        async with asyncio.timeout(15):
            await asyncio.gather(task, return_exceptions=task.cancelled())


async def caught_up(sink: LatestSink[Any, Any], ends: dict[int, int]) -> None:
    """Until the sink has stored all below these offsets."""
    deadline = time.monotonic() + 180
    while not (found := await sink.positions()).items() >= ends.items():
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.02)
