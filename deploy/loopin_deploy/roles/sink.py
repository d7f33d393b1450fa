"""The role ``sink``: events into a ClickHouse server, scaled by partitions."""

from __future__ import annotations

import asyncio

import structlog

from loopin_deploy.host_metrics import measured
from loopin_deploy.roles.components import run_together
from loopin_deploy.roles.storing import STORED, storing
from loopin_deploy.settings import HostMetricsSettings
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.health import health_server
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.waiting import wait_for_topics

log = structlog.get_logger(__name__)


async def run_sink(stop: asyncio.Event) -> None:
    """Store events until told to stop.

    Raises:
        StoreError: the store cannot be used.
    """
    settings = SinkSettings()
    topics = await wait_for_topics(settings, STORED, stop)
    if topics is None:
        return
    store = open_store(StoreSettings())
    try:
        config = ConfigLog(settings)
        parts = storing("sink", settings, store, topics, config)
        async with (
            measured("sink", HostMetricsSettings(), settings),
            health_server(settings.health_host, settings.health_port, parts.registry, parts.checks) as port,
        ):
            log.info("sink_started", health_port=port)
            await run_together(stop, parts.run, config.run)
            log.info("sink_stopped", rows=parts.sink.writer.stored_rows)
    finally:
        await store.close()
