"""Jobs of one process on the batch lane, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from prometheus_client.registry import Collector

from loopin_streams.health import health_server
from loopin_streams.kafka.errors import EXIT_REFUSED, Fenced, RefusedToOpen
from loopin_streams.kafka.followed_log import FollowedLog
from loopin_streams.kafka.job import Job
from loopin_streams.kafka.lag import Consumption, LagLimits, LagWatch
from loopin_streams.kafka.lane import LaneApp, lane_app
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.meter import Meters
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.partition import Limits
from loopin_streams.kafka.runner import Runner
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicInfo
from loopin_streams.metrics import jobs_registry
from loopin_streams.readiness import LAG, PARTITIONS, REFUSED

log = structlog.get_logger(__name__)

EXIT_FAILED = 70
"""A defect or a broker error: start again."""

Sums = Callable[[], Mapping[str, tuple[float, int]]]


@dataclass(frozen=True)
class Work:
    """What a process does.

    Attributes:
        role: its name.
        jobs: what it works on.
        vital: those of the jobs that the process ends without; others may be refused, readiness tells of it.
        followed: what has to be known before the first batch.
        step_sums: what the steps of a pipeline have cost.
        collectors: what else it tells Prometheus.
    """

    role: str
    jobs: tuple[Job, ...]
    vital: tuple[Job, ...]
    followed: tuple[FollowedLog[Any], ...] = ()
    step_sums: Sums = dict
    collectors: tuple[Collector, ...] = ()


async def run_jobs(
    work: Work,
    settings: KafkaSettings,
    found: Mapping[str, TopicInfo],
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    probe: Probe = no_probe,
) -> None:
    """Work until ``stop`` is set; ``found`` are the topics that there are.

    A process whose work fails ends at once (:func:`end_process`), because Faust and aiokafka swallow
    exceptions where they arise, and a successor fences it anyway.
    """
    meters = Meters()
    runners = [
        Runner(
            settings,
            job,
            found[job.input].id,
            on_fatal=end_process,
            on_refused=end_process if job in work.vital else lambda _: None,
            partitions=found[job.input].partitions,
            store_ids={name: found[name].id for name in (job.state_topic, *job.history)},
            limits=limits,
            probe=probe,
            meter=meters.of(job.name),
        )
        for job in work.jobs
    ]
    apps = [lane_app(settings, runner) for runner in runners]
    watch = LagWatch(
        Logs(settings.kafka_bootstrap),
        [Consumption(runner.job.name, runner.topic, runner.positions) for runner in runners],
        LagLimits.of(settings),
    )

    def opening() -> str | None:
        return next((reason for runner in runners if (reason := runner.opening())), None)

    def refused() -> str | None:
        return next((reason for runner in runners if (reason := runner.refused())), None)

    registry = jobs_registry(work.role, runners, work.step_sums, watch, meters)
    for collector in work.collectors:
        registry.register(collector)
    checks = {PARTITIONS: opening, REFUSED: refused, LAG: watch.unready}
    async with health_server(settings.health_host, settings.health_port, registry, checks) as port:
        following = [asyncio.create_task(log.run(stop)) for log in work.followed]
        for each in work.followed:
            await each.until_known(stop)
        log.info("worker_started", jobs=[job.name for job in work.jobs], health_port=port)
        for app in apps:
            await app.start()
        watching = asyncio.create_task(watch.run(stop))
        await _until_told(apps, stop)
        await asyncio.gather(watching, *following, *(app.stop() for app in apps))
        for runner in runners:
            await runner.stop()
        log.info("worker_stopped")


async def _until_told(apps: Sequence[LaneApp], stop: asyncio.Event) -> None:
    """Wait for ``stop``; an app that ends before does not return but ends the process."""
    running = {asyncio.create_task(app.wait_until_stopped()): app for app in apps}
    told = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait({told, *running}, return_when=asyncio.FIRST_COMPLETED)
    if told not in done:
        ended = done.pop()
        end_process(ended.exception() or running[ended].crash_reason or RuntimeError("the Faust app stopped"))
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


def end_process(error: BaseException) -> None:
    """Log one sentence and leave without clean-up; nothing uncommitted counts."""
    refused = {"code": error.code} if isinstance(error, RefusedToOpen) else {}
    sentence = str(error) if isinstance(error, RefusedToOpen | Fenced) else f"{type(error).__name__}: {error}"
    log.error("worker_ends", reason=sentence, **refused)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(EXIT_REFUSED if refused else EXIT_FAILED)
