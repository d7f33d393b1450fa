"""The role ``notify``: tells people and services of alerts. It needs the broker alone."""

from __future__ import annotations

import asyncio

import structlog
from prometheus_client import CollectorRegistry

from loopin_deploy.consumers import NOTIFY
from loopin_deploy.host_metrics import measured
from loopin_deploy.roles.components import run_together
from loopin_deploy.settings import HostMetricsSettings
from loopin_schemas.topics import ALERTS, NOTIFICATIONS
from loopin_sinks.notify.channels_file import Channels, read_channels
from loopin_sinks.notify.errors import NotifyError
from loopin_sinks.notify.notifier import Notifier
from loopin_sinks.notify.settings import NotifySettings
from loopin_sinks.notify.tally import NotifyCollector
from loopin_streams.health import health_server
from loopin_streams.kafka.lag import Consumption, LagLimits, LagWatch
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.waiting import wait_for_topics
from loopin_streams.metrics import LagCollector, register_process
from loopin_streams.readiness import LAG, PARTITIONS, REFUSED, Checks

log = structlog.get_logger(__name__)

TOPICS = (ALERTS.name, NOTIFICATIONS.name)
"""Topics that a notifier must find."""


NO_CHANNELS = NotifyError(
    "notify_file_missing",
    "Nobody is to be told of alerts: set LOOPIN_NOTIFY_FILE to a file of channels (docs/notifications.md).",
)


def configured_channels(settings: NotifySettings) -> Channels | None:
    """Whom to tell; None where that is nobody.

    Raises:
        NotifyError: the file cannot be used.
    """
    return read_channels(settings.notify_file) if settings.notify_file is not None else None


async def run_notify(stop: asyncio.Event) -> None:
    """Tell of alerts until told to stop.

    Raises:
        NotifyError: no channels are configured, or they cannot be used.
    """
    settings = NotifySettings()
    channels = configured_channels(settings)
    if channels is None:
        raise NO_CHANNELS
    topics = await wait_for_topics(settings, TOPICS, stop)
    if topics is None:
        return
    notifier = Notifier(settings, channels, topics[ALERTS.name].id)
    watch = LagWatch(
        Logs(settings.kafka_bootstrap),
        [Consumption(NOTIFY.consumer, settings.topic(ALERTS.name), notifier.positions)],
        LagLimits.of(settings),
    )
    registry = CollectorRegistry()
    registry.register(NotifyCollector(notifier.deliveries))
    registry.register(LagCollector(watch, watch.consumers))
    register_process(registry, "notify")
    checks: Checks = {PARTITIONS: notifier.opening, REFUSED: notifier.refused, LAG: watch.unready}
    async with (
        measured("notify", HostMetricsSettings(), settings),
        health_server(settings.health_host, settings.health_port, registry, checks) as port,
    ):
        log.info("notify_started", health_port=port, channels=sorted(channels.channels))
        await run_together(stop, notifier.run, watch.run)
