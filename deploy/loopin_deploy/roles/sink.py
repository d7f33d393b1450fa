"""The role ``sink``: events into a ClickHouse server, scaled by partitions."""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import CollectorRegistry

from loopin_schemas.topics import ENRICHED
from loopin_sinks.metrics import SinkCollector
from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.health import health_server
from loopin_streams.kafka.waiting import wait_for_topic

log = structlog.get_logger(__name__)


async def run_sink(stop: asyncio.Event) -> None:
    """Store events until told to stop.

    Raises:
        StoreError: the store cannot be used.
        RefusedToOpen: the topic was created anew since the last run.
    """
    settings, store_settings = SinkSettings(), StoreSettings()
    topic_id = await wait_for_topic(settings, ENRICHED.name, stop)
    if topic_id is None:
        return
    store = open_store(store_settings)
    sink = Sink(settings, store, store_settings, topic_id)
    registry = CollectorRegistry()
    registry.register(SinkCollector(sink))

    def unready() -> str | None:
        return sink.writer.failing or (None if sink.assigned else "no partition is assigned yet")

    try:
        async with health_server(settings.health_host, settings.health_port, registry, unready) as port:
            log.info("sink_started", health_port=port)
            await sink.run(stop)
            log.info("sink_stopped", rows=sink.writer.stored_rows)
    finally:
        await store.close()
