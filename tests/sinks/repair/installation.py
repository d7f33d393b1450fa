"""What a repair sees of an installation: topics and offsets, written by plain clients, and the store."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import pytest
from confluent_kafka import Consumer, TopicPartition

from loopin_sinks.repair.repairer import Repairer
from loopin_sinks.repair.requests import pending_repairs, request_repairs
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_sinks.window_rows import WindowRef
from loopin_streams.projects.project import Project, Projects, Retention
from tests.sinks.repair.plain import Happened, windows_of
from tests.sinks.repair.stored import KEPT_DAYS, enriched, newest_rows, store_events
from tests.transactions import Out, Transactions

PARTITIONS = 2
DEADLINE_S = 300.0


async def until(condition: Callable[[], Awaitable[object]], what: str) -> None:
    """Return once the condition holds; fails the test after a minute."""
    deadline = time.monotonic() + DEADLINE_S
    while not await condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still not: {what}")
        await asyncio.sleep(0.01)


@dataclass
class Installation:
    """Two partitions of ``enrich.state`` and ``events.enriched``, and the store."""

    settings: SinkSettings
    store: Store
    worker: Transactions

    @property
    def state(self) -> str:
        return self.settings.topic("enrich.state")

    @property
    def enriched(self) -> str:
        return self.settings.topic("events.enriched")

    def transactions(self, name: str) -> Transactions:
        """A further writer."""
        return Transactions(self.settings.kafka_bootstrap, f"{self.settings.topic_prefix}{name}")

    def commit(self, partition: int, watermark: int | None, *, events: int = 0) -> None:
        """What a worker commits: so many enriched events, and a marker with the watermark."""
        marker = {"topic_id": "t", "position": 5} | ({} if watermark is None else {"watermark": watermark})
        self.worker.write(
            [
                *(Out(self.enriched, partition, None, b"{}") for _ in range(events)),
                Out(self.state, partition, b"m", json.dumps(marker).encode()),
            ]
        )

    def commit_all(self, watermark: int) -> None:
        """The watermark in every partition."""
        for partition in range(PARTITIONS):
            self.commit(partition, watermark)

    def stored(self, partition: int, offset: int) -> None:
        """What a sink says once it has stored all below ``offset``."""
        consumer = self._consumer(f"{self.settings.topic_prefix}clickhouse")
        try:
            at = TopicPartition(self.enriched, partition, offset)
            consumer.commit(offsets=[at], asynchronous=False)
        finally:
            consumer.close()

    def end(self, partition: int) -> int:
        """Where the partition of events ends, open transactions included."""
        consumer = self._consumer("unused")
        try:
            _, end = consumer.get_watermark_offsets(TopicPartition(self.enriched, partition), timeout=20)
            return int(end)
        finally:
            consumer.close()

    def _consumer(self, group: str) -> Consumer:
        return Consumer({"bootstrap.servers": self.settings.kafka_bootstrap, "group.id": group})

    def repairer(self, store: Store | None = None, *, leads: bool = True, kept: int = KEPT_DAYS) -> Repairer:
        return Repairer(
            self.settings,
            store or self.store,
            Projects(lambda _: Project(retention=Retention(kept))),
            partitions=PARTITIONS,
            leads=lambda: leads,
        )

    async def late(self, *events: Happened, grain: str = "hour") -> None:
        """Store events, and ask for their windows of one grain."""
        await store_events(self.store, map(enriched, events))
        await self.ask(events, grain)

    async def ask(self, events: Sequence[Happened], grain: str) -> None:
        """Ask for the events' windows of one grain."""
        windows = {
            WindowRef(series.project, series.grain, series.start)  # type: ignore[arg-type]  # plain text there
            for series in windows_of(events, [grain])
        }
        await request_repairs(self.store, windows)

    async def pending(self) -> set[WindowRef]:
        return {request.window for request in await pending_repairs(self.store)}

    async def assert_repaired(self, *events: Happened, grain: str = "hour") -> None:
        """Nothing waits, and the windows are those of a plain count."""
        assert await self.pending() == set()
        assert await newest_rows(self.store) == windows_of(events, [grain])
