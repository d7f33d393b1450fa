"""The processes of the system: one coroutine a role, which runs until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog

from loopin_deploy.lifeline import exit_with_parent
from loopin_deploy.logs import configure_logs

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 10.0
"""How long a role that was told to stop may wait for a broker or a store that hangs."""

Role = Callable[[asyncio.Event], Awaitable[None]]


async def _stream(stop: asyncio.Event) -> None:
    from loopin_deploy.host_metrics import measured
    from loopin_deploy.settings import HostMetricsSettings
    from loopin_streams.settings import StreamSettings
    from loopin_streams.worker import run_worker

    settings = StreamSettings()
    async with measured("stream", HostMetricsSettings(), settings):
        await run_worker(settings, stop)


async def _trainer(stop: asyncio.Event) -> None:
    from loopin_deploy.host_metrics import measured
    from loopin_deploy.settings import HostMetricsSettings
    from loopin_streams.kafka.settings import KafkaSettings
    from loopin_streams.trainer import run_trainer

    settings = KafkaSettings()
    async with measured("trainer", HostMetricsSettings(), settings):
        await run_trainer(settings, stop)


async def _sink(stop: asyncio.Event) -> None:
    from loopin_deploy.roles.sink import run_sink

    await run_sink(stop)


async def _api(stop: asyncio.Event) -> None:
    from loopin_deploy.roles.api import run_api

    await run_api(stop)


async def _store(stop: asyncio.Event) -> None:
    from loopin_deploy.roles.store import run_store

    await run_store(stop)


async def _notify(stop: asyncio.Event) -> None:
    from loopin_deploy.roles.notify import run_notify

    await run_notify(stop)


# Imported when run: a role needs its own stage's libraries only, and a worker starts without the engine.
ROLES: dict[str, Role] = {
    "stream": _stream,
    "trainer": _trainer,
    "sink": _sink,
    "api": _api,
    "store": _store,
    "notify": _notify,
}
"""Roles by name: ``store`` is sink and API in one process, which the embedded engine needs; it tells of
alerts as well, where channels are configured."""


def _leave() -> None:
    """End without clean-up, because the broker or the store hangs: nothing uncommitted counts."""
    sys.stderr.flush()
    os._exit(0)


def run_role(name: str) -> None:
    """Run a role in this process until SIGTERM, Ctrl-C, or the death of its supervisor."""
    configure_logs()
    exit_with_parent()
    asyncio.run(_until_signalled(ROLES[name]))


async def _until_signalled(role: Role, leave: Callable[[], None] = _leave) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.ensure_future(role(stop))
    told = asyncio.create_task(stop.wait())
    await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    # Waited for, not timed out: Faust swallows cancellations while it stops.
    done, _ = await asyncio.wait({work}, timeout=STOP_TIMEOUT_S)
    if not done:
        log.warning("stopped_hard", seconds=STOP_TIMEOUT_S)
        leave()
    await work
