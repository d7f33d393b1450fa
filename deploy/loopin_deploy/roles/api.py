"""The role ``api``: queries and ingestion over a ClickHouse server."""

from __future__ import annotations

import asyncio

import structlog

from loopin_api.app import create_app
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.roles.components import kafka_client, stream_probe
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)


async def run_api(stop: asyncio.Event) -> None:
    """Serve until told to stop.

    Raises:
        ConfigurationError: no secrets are configured, or the port is taken.
    """
    settings, kafka = ApiSettings(), KafkaSettings()
    store = open_store(StoreSettings())
    try:
        with kafka_client(kafka) as client:
            app = create_app(settings, store, client, probes={"stream": stream_probe(kafka)})
            async with serving(app, settings.api_host, settings.api_port) as url:
                log.info("api_started", url=url)
                await stop.wait()
    finally:
        await store.close()
