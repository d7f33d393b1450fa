"""The role ``api``: queries and ingestion over a ClickHouse server."""

from __future__ import annotations

import asyncio

import structlog

from loopin_api.app import create_app
from loopin_api.live.follow import FeedFollower
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.consumers import ENRICH, watch_from_broker
from loopin_deploy.host_metrics import measured
from loopin_deploy.roles.components import kafka_client, lag_probes, run_together, spool
from loopin_deploy.settings import HostMetricsSettings
from loopin_sinks.metrics import freshness_s
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.metrics import register_process

log = structlog.get_logger(__name__)


async def run_api(stop: asyncio.Event) -> None:
    """Serve until told to stop.

    Raises:
        ConfigurationError: the secrets cannot be used, or the port is taken.
    """
    settings, kafka = ApiSettings(), KafkaSettings()
    store = open_store(StoreSettings())
    logs = Logs(kafka.kafka_bootstrap)
    watch, config = watch_from_broker(kafka, logs), ConfigLog(kafka)
    try:
        with kafka_client(kafka, settings.publish_timeout_s) as client, spool(kafka, settings) as reserve:
            app = create_app(
                settings,
                store,
                client,
                config=config,
                writer=config_writer(kafka),
                reserve=reserve,
                probes=lag_probes(watch),
                freshness=lambda: freshness_s(watch, ENRICH.consumer),
            )
            register_process(app.state.services.instruments.registry, "api")
            feed = FeedFollower(kafka, app.state.services.live.feed)
            async with (
                measured("api", HostMetricsSettings(), kafka),
                serving(app, settings.api_host, settings.api_port) as url,
            ):
                log.info("api_started", url=url)
                await run_together(stop, watch.run, config.run, feed.run)
    finally:
        await store.close()
