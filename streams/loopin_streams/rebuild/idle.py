"""Nobody works on the state while it is rebuilt."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from time import monotonic, sleep

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from loopin_schemas.topics import (
    DLQ,
    ENRICH_STATE,
    ENRICHED,
    IDENTITY_STATE,
    MERGE_STATE,
    METRICS,
    MODELS,
    PERSON_MERGES,
    PERSONS,
    PROFILES,
    SEEN,
    TRAIN_STATE,
    Topic,
)
from loopin_streams.kafka.outbox import Outbox, transactional_id
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.settling import Transactions, settle
from loopin_streams.rebuild.refused import RebuildRefused

Jobs = Mapping[str, tuple[Topic, ...]]
"""By job, the topics of which it alone writes its own partition in transactions; first that of its state."""

JOBS: Jobs = {
    "enrich": (ENRICH_STATE, SEEN, PROFILES, ENRICHED, DLQ),
    "merge": (MERGE_STATE, METRICS),
    "identity": (IDENTITY_STATE, PERSONS, PERSON_MERGES),
}
"""Those of stream workers, each of which is in the groups of all."""

TRAINERS: Jobs = {"train": (TRAIN_STATE, MODELS)}
"""The trainer's."""

TIMEOUT_S = 10.0
RETRY_S = 0.2
STARTING = (
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.NOT_COORDINATOR,
)
"""What a broker answers of groups in the first seconds."""

AT_ONCE = 8


async def check_no_workers(settings: KafkaSettings, jobs: Jobs = JOBS) -> None:
    """See that no worker is a member of a job's group; one that ended without a word is waited for.

    Raises:
        RebuildRefused: ``workers_run``.
    """
    who, short = ("trainer", "trainer") if jobs is TRAINERS else ("stream worker", "worker")
    deadline = monotonic() + settings.session_timeout_s + TIMEOUT_S / 10
    while running := await _running(settings, jobs):
        if monotonic() < deadline:
            await asyncio.sleep(RETRY_S)
            continue
        raise RebuildRefused(
            "workers_run",
            f"{running} {who}{'s run' if running > 1 else ' runs'}: stop all {short}s first.",
        )


async def _running(settings: KafkaSettings, jobs: Jobs) -> int:
    return max([await asyncio.to_thread(members, settings, settings.topic(job)) for job in jobs])


async def fence(
    settings: KafkaSettings, partitions: int, *, made_anew: Collection[str], jobs: Jobs = JOBS
) -> None:
    """Shut out workers that think they still own a partition, and end what they have left open.

    ``made_anew`` are the jobs that the rebuild is of.

    Raises:
        RefusedToOpen: ``transaction_left_open``: another job needs a rebuild as well.
    """
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(job: str, partition: int) -> None:
        state, *others = (topic.name for topic in jobs[job])
        places = Transactions.of(settings, state, others, partition, partitions)
        rebuild = None if job in made_anew else f"loopin state rebuild {job}"
        async with at_once:
            outbox = Outbox(settings.kafka_bootstrap, transactional_id(settings, job, partition))
            try:
                await outbox.start()
                await settle(settings.kafka_bootstrap, outbox, places, rebuild=rebuild)
            finally:
                await outbox.stop()

    every = {job: 1 if own[0].partitions == "one" else partitions for job, own in jobs.items()}
    await asyncio.gather(*(one(job, number) for job, count in every.items() for number in range(count)))


def members(settings: KafkaSettings, group: str) -> int:
    """How many members a consumer group has; blocks for up to 10 s.

    Raises:
        KafkaException: the broker refuses or does not answer.
    """
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    deadline = monotonic() + TIMEOUT_S
    while True:
        asked = admin.describe_consumer_groups([group], request_timeout=TIMEOUT_S)[group]
        try:
            return len(asked.result(TIMEOUT_S).members)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.GROUP_ID_NOT_FOUND:
                return 0
            if code not in STARTING or monotonic() > deadline:
                raise
        sleep(RETRY_S)
