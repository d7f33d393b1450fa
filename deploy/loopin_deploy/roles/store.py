"""The role ``store``: sink and API in one process, because one process alone may open the embedded engine."""

from __future__ import annotations

import asyncio

import structlog

from loopin_api.app import create_app
from loopin_api.live.follow import FeedFollower
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from loopin_deploy.host_metrics import measured
from loopin_deploy.roles.components import kafka_client, lag_probes, run_together, spool
from loopin_deploy.roles.notify import TOPICS as NOTIFY_TOPICS
from loopin_deploy.roles.notify import configured_channels
from loopin_deploy.roles.storing import STORED, Storing, storing
from loopin_deploy.settings import HostMetricsSettings
from loopin_schemas.topics import ALERTS
from loopin_sinks.migrate import migrate
from loopin_sinks.notify.notifier import Notifier
from loopin_sinks.notify.settings import NotifySettings
from loopin_sinks.notify.tally import NotifyCollector
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import StoreSettings, open_store
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.waiting import wait_for_topics

log = structlog.get_logger(__name__)


async def run_store(stop: asyncio.Event) -> None:
    """Migrate, store and serve until told to stop.

    Raises:
        ConfigurationError: the secrets cannot be used, or the port is taken.
        StoreError: the store cannot be used.
        MigrationError: the store is not of this release.
        NotifyError: the channels for alerts cannot be used.
    """
    store_settings, sink_settings, notify_settings = StoreSettings(), SinkSettings(), NotifySettings()
    channels = configured_channels(notify_settings)
    wanted = (*STORED, *(NOTIFY_TOPICS if channels is not None else ()))
    topics = await wait_for_topics(sink_settings, wanted, stop)
    if topics is None:
        return
    notifier = Notifier(notify_settings, channels, topics[ALERTS.name].id) if channels is not None else None
    store = open_store(store_settings)
    try:
        for name in await migrate(store, store_settings):
            log.info("migrated", migration=name)
        config = ConfigLog(sink_settings)
        parts = storing("store", sink_settings, store, topics, config)
        await _serve_and_store(parts, sink_settings, config, notifier, stop)
    finally:
        await store.close()


async def _serve_and_store(
    parts: Storing,
    settings: SinkSettings,
    config: ConfigLog,
    notifier: Notifier | None,
    stop: asyncio.Event,
) -> None:
    api = ApiSettings()
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
        registry = app.state.services.instruments.registry
        registry.register(parts.registry)
        feed = FeedFollower(settings, app.state.services.live.feed)
        others = [] if notifier is None else [notifier.run]
        if notifier is not None:
            registry.register(NotifyCollector(notifier.deliveries))
        async with (
            measured("store", HostMetricsSettings(), settings),
            serving(app, api.api_host, api.api_port) as url,
        ):
            log.info("store_started", url=url)
            await run_together(stop, parts.run, config.run, feed.run, *others)
            log.info("store_stopped", rows=parts.sink.writer.stored_rows)
