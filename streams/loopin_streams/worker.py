"""The stream worker: its jobs on the batch lane, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

import structlog

from loopin_schemas.topics import RAW, TOPICS
from loopin_streams.alerts.rules import Rules
from loopin_streams.enrich.job import EnrichJob
from loopin_streams.health import health_server
from loopin_streams.identity.job import IdentityJob
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.errors import EXIT_REFUSED, Fenced, RefusedToOpen
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
from loopin_streams.kafka.waiting import wait_for_topics
from loopin_streams.memory import settle_memory
from loopin_streams.merge.job import MergeJob
from loopin_streams.metrics import worker_registry
from loopin_streams.projects.project import Projects
from loopin_streams.readiness import LAG, PARTITIONS, REFUSED
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
    """Enrich, merge and decide on persons until ``stop`` is set; waits for the broker and its topics first.

    A worker whose work fails ends the process at once (:func:`end_process`), because Faust and aiokafka
    swallow exceptions where they arise, and a successor fences it anyway.
    """
    found = await wait_for_topics(settings, (topic.name for topic in TOPICS), stop)
    if found is None:
        return
    try:
        check_partitions(settings, found)
        partitions = found[RAW.name].partitions
        config = ConfigLog(settings)
        projects = Projects(settings.project, lambda: config.configuration)
        enrich = EnrichJob(settings.enrich_options(partitions), projects)
    except RefusedToOpen as error:
        end_process(error)
    # Reads the lexicon, so that the first batch need not.
    await asyncio.to_thread(score, "warm")
    settle_memory()
    jobs: tuple[Job, ...] = (
        enrich,
        MergeJob(
            partitions,
            settings.invalid_ratio_limits(),
            lambda: Rules(lambda: config.configuration, projects.zone),
        ),
        IdentityJob(settings.keyed_store),
    )
    meters = Meters()

    runners = [
        Runner(
            settings,
            job,
            found[job.input].id,
            on_fatal=end_process,
            # Events are enriched also while nobody can add up their windows or decide who they are of;
            # readiness tells of it.
            on_refused=end_process if job is enrich else lambda _: None,
            partitions=found[job.input].partitions,
            store_ids={name: found[name].id for name in (job.state_topic, *job.history)},
            limits=limits,
            probe=probe,
            meter=meters.of(job.name),
        )
        for job in jobs
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

    registry = worker_registry(runners, enrich.costs.sums, watch, meters)
    checks = {PARTITIONS: opening, REFUSED: refused, LAG: watch.unready}
    async with health_server(settings.health_host, settings.health_port, registry, checks) as port:
        following = asyncio.create_task(config.run(stop))
        # Rules that a project has switched off must not fire once more, nor its own people count.
        await config.until_known(stop)
        log.info("worker_started", jobs=[job.name for job in jobs], health_port=port)
        for app in apps:
            await app.start()
        watching = asyncio.create_task(watch.run(stop))
        await _until_told(apps, stop)
        await asyncio.gather(watching, following, *(app.stop() for app in apps))
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


def check_partitions(settings: KafkaSettings, found: Mapping[str, TopicInfo]) -> None:
    """See that all topics of ``events.raw``'s partition rule have as many partitions as it has.

    Raises:
        RefusedToOpen: ``partitions_changed``.
    """
    wanted = found[RAW.name].partitions
    for topic in TOPICS:
        if topic.partitions == "raw" and found[topic.name].partitions != wanted:
            raise RefusedToOpen(
                "partitions_changed",
                f"{settings.topic(topic.name)} has {found[topic.name].partitions} partitions and "
                f"{settings.topic(RAW.name)} has {wanted}: give all the same number, then run "
                "`loopin state rebuild`.",
            )


def end_process(error: BaseException) -> None:
    """Log one sentence and leave without clean-up; nothing uncommitted counts."""
    refused = {"code": error.code} if isinstance(error, RefusedToOpen) else {}
    sentence = str(error) if isinstance(error, RefusedToOpen | Fenced) else f"{type(error).__name__}: {error}"
    log.error("worker_ends", reason=sentence, **refused)
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(EXIT_REFUSED if refused else EXIT_FAILED)
