"""The role ``store``: sink and API in one process, because one process alone may open the embedded engine."""

from __future__ import annotations

import asyncio

import structlog

from loopin_api.app import create_app
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.roles.components import kafka_client, lag_probes, spool
from loopin_deploy.roles.storing import STORED, Storing, storing
from loopin_sinks.migrate import migrate
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.waiting import wait_for_topics

log = structlog.get_logger(__name__)


async def run_store(stop: asyncio.Event) -> None:
    """Migrate, store and serve until told to stop.

    Raises:
        ConfigurationError: the secrets cannot be used, or the port is taken.
        StoreError: the store cannot be used.
        MigrationError: the store is not of this release.
    """
    store_settings, sink_settings = StoreSettings(), SinkSettings()
    topics = await wait_for_topics(sink_settings, STORED, stop)
    if topics is None:
        return
    store = open_store(store_settings)
    try:
        for name in await migrate(store, store_settings):
            log.info("migrated", migration=name)
        parts = storing("store", sink_settings, store_settings, store, topics)
        await _serve_and_store(parts, sink_settings, stop)
    finally:
        await store.close()


async def _serve_and_store(parts: Storing, settings: SinkSettings, stop: asyncio.Event) -> None:
    api, config = ApiSettings(), parts.config
    with kafka_client(settings, api.publish_timeout_s) as client, spool(settings, api) as reserve:
        app = create_app(
            api,
            parts.store,
            client,
            config=config,
            writer=config_writer(settings),
            reserve=reserve,
            probes=lag_probes(parts.watch, lambda: parts.failing() or parts.refused()),
            checks=parts.checks,
            freshness=parts.freshness_s,
        )
        app.state.services.instruments.registry.register(parts.registry)
        async with serving(app, api.api_host, api.api_port) as url:
            log.info("store_started", url=url)
            await parts.run(stop)
            log.info("store_stopped", rows=parts.sink.writer.stored_rows)
