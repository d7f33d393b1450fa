"""The role ``store``: sink and API in one process, because one process alone may open the embedded engine."""

from __future__ import annotations

import asyncio
from time import time

import structlog

from loopin_api.app import create_app
from loopin_api.health import Component
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.roles.components import kafka_client, stream_probe
from loopin_schemas.topics import ENRICHED
from loopin_sinks.metrics import SinkCollector
from loopin_sinks.migrate import migrate
from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.kafka.waiting import wait_for_topic

log = structlog.get_logger(__name__)


async def run_store(stop: asyncio.Event) -> None:
    """Migrate, store and serve until told to stop.

    Raises:
        ConfigurationError: no secrets are configured, or the port is taken.
        StoreError: the store cannot be used.
        MigrationError: the store is not of this release.
        RefusedToOpen: the topic was created anew since the last run.
    """
    store_settings, sink_settings = StoreSettings(), SinkSettings()
    topic_id = await wait_for_topic(sink_settings, ENRICHED.name, stop)
    if topic_id is None:
        return
    store = open_store(store_settings)
    try:
        for name in await migrate(store, store_settings):
            log.info("migrated", migration=name)
        sink = Sink(sink_settings, store, store_settings, topic_id)
        await _serve_and_store(store, sink, sink_settings, stop)
    finally:
        await store.close()


async def _serve_and_store(store: Store, sink: Sink, settings: SinkSettings, stop: asyncio.Event) -> None:
    api = ApiSettings()

    async def sink_state() -> Component:
        newest = sink.writer.newest_received_ms
        age = None if newest is None else max(0.0, time() - newest / 1000)
        return Component(ok=sink.writer.failing is None, lag=await sink.lag(), freshness_s=age)

    with kafka_client(settings) as client:
        app = create_app(api, store, client, probes={"sink": sink_state, "stream": stream_probe(settings)})
        app.state.services.instruments.registry.register(SinkCollector(sink))
        async with serving(app, api.api_host, api.api_port) as url:
            log.info("store_started", url=url)
            await sink.run(stop)
            log.info("store_stopped", rows=sink.writer.stored_rows)
