"""The stream worker: the enrichment job on the batch lane, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys

import structlog

from loopin_streams.enrich.job import EnrichJob
from loopin_streams.health import health_server
from loopin_streams.kafka.errors import EXIT_REFUSED, Fenced, RefusedToOpen
from loopin_streams.kafka.lane import lane_app
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.partition import Limits
from loopin_streams.kafka.runner import Runner
from loopin_streams.kafka.waiting import wait_for_topic
from loopin_streams.metrics import registry_of
from loopin_streams.settings import StreamSettings
from loopin_text.sentiment import score

log = structlog.get_logger(__name__)

EXIT_FAILED = 70
"""A defect or a broker error: start again."""


async def run_worker(
    settings: StreamSettings,
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    probe: Probe = no_probe,
) -> None:
    """Enrich until ``stop`` is set; waits for the broker and its topics first.

    A worker whose work fails ends the process at once (:func:`end_process`), because Faust and aiokafka
    swallow exceptions where they arise, and a successor fences it anyway.
    """
    job = EnrichJob(
        settings.topic_prefix, text_properties=settings.text_properties, sentiment=settings.ai_enabled
    )
    topic_id = await wait_for_topic(settings, job.input, stop)
    if topic_id is None:
        return
    # Reads the lexicon, so that the first batch need not.
    await asyncio.to_thread(score, "warm")
    runner = Runner(settings, job, topic_id, on_fatal=end_process, limits=limits, probe=probe)
    app = lane_app(settings, runner)

    async with health_server(
        settings.health_host, settings.health_port, registry_of(runner), runner.unready
    ) as port:
        log.info("worker_started", job=job.name, health_port=port)
        await app.start()
        stopped = asyncio.create_task(app.wait_until_stopped())
        told = asyncio.create_task(stop.wait())
        await asyncio.wait({stopped, told}, return_when=asyncio.FIRST_COMPLETED)
        if stopped.done() and not told.done():
            end_process(stopped.exception() or app.crash_reason or RuntimeError("the Faust app stopped"))
        await app.stop()
        await runner.stop()
        told.cancel()
        stopped.cancel()
        await asyncio.gather(told, stopped, return_exceptions=True)
        log.info("worker_stopped", job=job.name)


def end_process(error: BaseException) -> None:
    """Log one sentence and leave without clean-up; nothing uncommitted counts."""
    refused = isinstance(error, RefusedToOpen)
    sentence = str(error) if isinstance(error, RefusedToOpen | Fenced) else f"{type(error).__name__}: {error}"
    log.error("worker_ends", reason=sentence)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(EXIT_REFUSED if refused else EXIT_FAILED)
