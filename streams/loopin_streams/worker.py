"""The stream worker: its jobs on the batch lane, until it is told to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from loopin_schemas.topics import RAW, TOPICS
from loopin_streams.alerts.rules import Rules
from loopin_streams.enrich.job import EnrichJob
from loopin_streams.identity.job import IdentityJob
from loopin_streams.jobs import Work, end_process, run_jobs
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.partition import Limits
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.topic_admin import TopicInfo
from loopin_streams.kafka.waiting import wait_for_topics
from loopin_streams.learning.answers import Answers
from loopin_streams.learning.model_log import ModelLog
from loopin_streams.learning.pins import Pins
from loopin_streams.memory import settle_memory
from loopin_streams.merge.job import MergeJob
from loopin_streams.projects.project import Projects
from loopin_streams.settings import StreamSettings
from loopin_text.sentiment import score


async def run_worker(
    settings: StreamSettings,
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    probe: Probe = no_probe,
) -> None:
    """Enrich, merge and decide on persons until ``stop`` is set; waits for the broker and its topics."""
    found = await wait_for_topics(settings, (topic.name for topic in TOPICS), stop)
    if found is None:
        return
    try:
        check_partitions(settings, found)
        partitions = found[RAW.name].partitions
        config, models = ConfigLog(settings), ModelLog(settings)
        projects = Projects(settings.project, lambda: config.configuration)
        answers = Answers(lambda: models.held, Pins(lambda: config.configuration))
        enrich = EnrichJob(settings.enrich_options(partitions), projects, answers)
    except RefusedToOpen as error:
        end_process(error)
    # Reads the lexicon, so that the first batch need not.
    await asyncio.to_thread(score, "warm")
    settle_memory()
    merge = MergeJob(
        partitions,
        settings.invalid_ratio_limits(),
        lambda: Rules(lambda: config.configuration, projects.zone),
    )
    work = Work(
        "stream",
        (enrich, merge, IdentityJob(settings.keyed_store)),
        # Events are enriched also while nobody can add up their windows or decide who they are of.
        vital=(enrich,),
        # Rules that a project has switched off must not fire once more, nor its own people count; and no
        # score may be of a model of before.
        followed=(config, models),
        step_sums=enrich.costs.sums,
    )
    await run_jobs(work, settings, found, stop, limits=limits, probe=probe)


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
