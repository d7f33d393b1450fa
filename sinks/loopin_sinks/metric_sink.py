"""From ``metrics`` to the table ``metric_windows``.

Where the topic has removed records before they were stored, the windows that may have been in them are
recomputed from the stored events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import time
from uuid import uuid4

import structlog
from aiokafka import TopicPartition

from loopin_schemas.codec import decode
from loopin_schemas.topics import METRICS, RAW
from loopin_schemas.window import MetricWindow
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.repair.requests import request_repairs_since
from loopin_sinks.rows import by_month
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_sinks.window_rows import METRIC_WINDOWS, windows_to_arrow
from loopin_streams.kafka.batch import Record
from loopin_streams.projects.project import Projects

log = structlog.get_logger(__name__)

MERGE_LAG_MS = RAW.retention_ms or 0
"""How long after an event was received a window that counts it may be published: a worker that was away works
off what is left of the input."""

Cell = tuple[str, str, str, str, str, int]


class MetricSink(LatestSink[Cell, MetricWindow]):
    """Stores the newest version of each window, at most once in ``metric_interval_s``."""

    def __init__(self, settings: SinkSettings, store: Store, projects: Projects, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of ``metrics``."""
        super().__init__(
            settings,
            topic=METRICS,
            topic_id=topic_id,
            group="clickhouse-metrics",
            table=METRIC_WINDOWS,
            interval_s=settings.metric_interval_s,
        )
        self._store = store
        self._projects = projects
        self._missed_since: int | None = None

    def _read(self, record: Record) -> tuple[Cell, MetricWindow]:
        window = decode(record.value or b"", MetricWindow)
        cell = (window.project, window.metric, window.dimension, window.value, window.grain, window.start)
        return cell, window

    def _replaces(self, held: MetricWindow, value: MetricWindow) -> bool:
        return held.revision <= value.revision

    async def _insert(self, values: Collection[MetricWindow]) -> int:
        now_ms = int(time() * 1000)
        table = await asyncio.to_thread(windows_to_arrow, values, self._projects.retention, now_ms)
        for _, part in by_month(table, "start"):
            # Each attempt has its own token: the same rows twice are replaced by their revision.
            await self._store.insert(METRIC_WINDOWS, part, token=str(uuid4()))
        return len(values)

    def _miss(self, at: TopicPartition, since_ms: int) -> None:
        since = max(0, since_ms - MERGE_LAG_MS)
        log.warning("windows_missed", partition=at.partition, recomputed_since_ms=since)
        self._missed_since = since if self._missed_since is None else min(since, self._missed_since)

    async def _settle_missed(self) -> None:
        if self._missed_since is not None:
            await request_repairs_since(self._store, self._missed_since)
            self._missed_since = None

    @property
    def _owes(self) -> bool:
        return self._missed_since is not None
