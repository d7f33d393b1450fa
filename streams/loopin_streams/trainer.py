"""The trainer: learns from outcomes, in a process of its own, because it computes for long at times."""

from __future__ import annotations

import asyncio

from loopin_schemas.topics import CONFIG, EXAMPLES, MODELS, TRAIN_STATE
from loopin_streams.jobs import Work, run_jobs
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.outbox import Probe, no_probe
from loopin_streams.kafka.partition import Limits
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.waiting import wait_for_topics
from loopin_streams.learning.model_log import ModelLog
from loopin_streams.learning.model_metrics import ModelCollector
from loopin_streams.learning.pins import Pins
from loopin_streams.memory import settle_memory
from loopin_streams.train.job import TrainJob


async def run_trainer(
    settings: KafkaSettings,
    stop: asyncio.Event,
    *,
    limits: Limits | None = None,
    probe: Probe = no_probe,
) -> None:
    """Learn until ``stop`` is set; waits for the broker and its topics first."""
    names = (EXAMPLES.name, TRAIN_STATE.name, MODELS.name, CONFIG.name)
    found = await wait_for_topics(settings, names, stop)
    if found is None:
        return
    settle_memory()
    config, models = ConfigLog(settings), ModelLog(settings)
    pins = Pins(lambda: config.configuration)
    job = TrainJob(pins, lambda: models.held)
    work = Work(
        "trainer",
        (job,),
        vital=(job,),
        # A version that is pinned must not be taken away.
        followed=(config, models),
        collectors=(ModelCollector(lambda: models.held, pins),),
    )
    await run_jobs(work, settings, found, stop, limits=limits, probe=probe)
