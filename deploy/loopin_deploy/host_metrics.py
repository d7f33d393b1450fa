"""What a role measures of itself and of its host, published as events `system_metric`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

import psutil
import structlog

from loopin_deploy.settings import HostMetricsSettings
from loopin_producers import Loopin
from loopin_streams.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

NOBODY: Final = "system"
"""The distinct_id of these events, which make nobody active."""

HOST: Final = "host"
"""The component that stands for the whole machine."""

FLUSH_S: Final = 2.0
"""How long the last measurements are delivered before the process ends, in seconds."""

_MB: Final = 1_000_000


class Measurement(NamedTuple):
    """One number: of which component, and what."""

    component: str
    metric_type: str
    value: float


class Meter:
    """Measures this process, and the host; the processor's use is that since the last time, or since this."""

    def __init__(self, role: str, disk: Path) -> None:
        self._role = role
        self._disk = disk
        self._process = psutil.Process()
        self._process.cpu_percent()
        psutil.cpu_percent()

    def measure(self) -> Iterator[Measurement]:
        """All that is measured: percent, MB of 1,000,000 bytes, and open files, sockets among them.

        A processor that is busy all the time is 100 percent of ``cpu_usage``: a process can use several, the
        host's is that of all of them together.
        """
        with self._process.oneshot():
            yield Measurement(self._role, "cpu_usage", self._process.cpu_percent())
            yield Measurement(self._role, "memory_usage_mb", self._process.memory_info().rss / _MB)
            yield Measurement(self._role, "open_files", self._process.num_fds())
        yield Measurement(HOST, "cpu_usage", psutil.cpu_percent())
        yield Measurement(HOST, "memory_usage", psutil.virtual_memory().percent)
        yield Measurement(HOST, "disk_usage", psutil.disk_usage(str(self._disk)).percent)


@asynccontextmanager
async def measured(role: str, settings: HostMetricsSettings, kafka: KafkaSettings) -> AsyncIterator[None]:
    """Publish what ``role`` measures, at each interval within the block."""
    if not settings.host_metrics_interval_s:
        yield
        return
    client = Loopin(
        kafka.kafka_bootstrap,
        project=settings.host_metrics_project,
        topic_prefix=kafka.topic_prefix,
        spool=False,
        max_queue_size=1_000,
    )
    publishing = asyncio.create_task(_publish(client, role, settings))
    try:
        yield
    finally:
        publishing.cancel()
        with suppress(asyncio.CancelledError):
            await publishing
        await asyncio.to_thread(client.shutdown, FLUSH_S)


async def _publish(client: Loopin, role: str, settings: HostMetricsSettings) -> None:
    meter, host = Meter(role, settings.host_metrics_disk), socket.gethostname()
    while True:
        await asyncio.sleep(settings.host_metrics_interval_s)
        try:
            # Not in the event loop: a disk of the network may not answer.
            for each in await asyncio.to_thread(lambda: list(meter.measure())):
                about = {**each._asdict(), "host": host, "role": role}
                client.capture("system_metric", NOBODY, about, source="middleware")
        except (psutil.Error, OSError) as error:
            # A role works on where its host cannot be measured.
            log.warning("host_not_measured", error=str(error) or type(error).__name__)
