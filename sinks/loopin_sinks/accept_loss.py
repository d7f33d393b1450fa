"""Going on without records that the sink has missed, because somebody said so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata

from loopin_schemas.topics import ENRICHED
from loopin_sinks.place import committed, place_of
from loopin_sinks.progress import Progress
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_sinks.writer import TABLE, stored_up_to
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.reader import Log, Reader
from loopin_streams.rebuild.idle import members


class SinksRun(Exception):
    """A sink is at work, and would go on from where it is; the text is one sentence that says what to do."""

    code = "sinks_run"


class Accepted(NamedTuple):
    """A partition that was refused for ``reason``; the sinks go on at offset ``position``."""

    partition: int
    position: int
    reason: str


async def accept_loss(settings: SinkSettings, store: Store, topic_id: str, partitions: int) -> list[Accepted]:
    """Let the sinks go on with each partition that they refuse, at the first record that is left.

    The others are not touched, and no stored row is removed. Run it again if it was interrupted.

    Args:
        settings: of the sinks.
        store: open, with its tables migrated.
        topic_id: Kafka's id of ``events.enriched``.
        partitions: how many that topic has.

    Raises:
        SinksRun: a sink is a member of the group; nothing was changed.
        StoreError: the store fails.
        KafkaException, KafkaError: the broker refuses or does not answer.
    """
    if await asyncio.to_thread(members, settings, settings.topic("clickhouse")):
        raise _sinks_run(settings)
    try:
        async with _examined(settings, store, topic_id, partitions) as (consumer, refused):
            return [await _accept(consumer, store, one, topic_id) for one in refused]
    except CommitFailedError as error:
        # The broker takes offsets of a group without members only from outside of it.
        raise _sinks_run(settings) from error


async def refusals(settings: SinkSettings, store: Store, topic_id: str, partitions: int) -> dict[int, str]:
    """Why the sinks refuse partitions, by number; nothing is changed. Arguments as of :func:`accept_loss`."""
    async with _examined(settings, store, topic_id, partitions) as (_, refused):
        return {one.at.partition: one.reason for one in refused}


class _Refused(NamedTuple):
    """A partition that the sinks refuse: what is noted of it, what its log holds, and why."""

    at: TopicPartition
    found: OffsetAndMetadata | None
    kept: Log
    reason: str


@asynccontextmanager
async def _examined(
    settings: SinkSettings, store: Store, topic_id: str, partitions: int
) -> AsyncGenerator[tuple[AIOKafkaConsumer, list[_Refused]], None]:
    """A consumer of the sinks' group, and what the sinks would refuse."""

    async def stored(partition: int) -> int:
        return await stored_up_to(store, topic_id, partition)

    places = [TopicPartition(settings.topic(ENRICHED.name), number) for number in range(partitions)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=settings.topic("clickhouse"),
        enable_auto_commit=False,
    )
    refused = []
    await consumer.start()
    try:
        consumer.assign(places)
        async with Reader(settings.kafka_bootstrap, places) as reader:
            for at in places:
                found, kept = await committed(consumer, at), await reader.log(*at)
                try:
                    await place_of(at, found, kept, topic_id, stored)
                except RefusedToOpen as error:
                    refused.append(_Refused(at, found, kept, str(error)))
        yield consumer, refused
    finally:
        await consumer.stop()


async def _accept(consumer: AIOKafkaConsumer, store: Store, refused: _Refused, topic_id: str) -> Accepted:
    at, found, kept, reason = refused
    stored_to = await stored_up_to(store, topic_id, at.partition)
    if stored_to > kept.end:
        await _set_aside(store, at, kept.end, topic_id)
    start, doubtful_to = _resumed(found, kept, topic_id, stored_to)
    note = Progress(topic_id, doubtful_to=doubtful_to if doubtful_to > start else None)
    await consumer.commit({at: OffsetAndMetadata(start, note.text())})
    return Accepted(at.partition, start, reason)


def _resumed(found: OffsetAndMetadata | None, kept: Log, topic_id: str, stored_to: int) -> tuple[int, int]:
    """The first record left that may not be stored, and up to where some of those after it may be stored."""
    note = Progress.of(found.metadata) if found is not None else None
    if found is None or note is None or note.topic_id != topic_id:
        return kept.start, min(stored_to, kept.end)
    start = min(max(found.offset, kept.start), kept.end)
    return start, min(max(note.end or 0, note.doubtful_to or 0, stored_to), kept.end)


async def _set_aside(store: Store, at: TopicPartition, end: int, topic_id: str) -> None:
    """Keep the rows of records that the log has lost, as those of a topic that is gone.

    Their offsets will be those of other records.
    """
    await store.command(
        f"ALTER TABLE {TABLE} UPDATE _topic_id = {{gone:UUID}} WHERE _topic_id = {{topic:UUID}} "
        "AND _partition = {partition:UInt32} AND _offset >= {end:Int64} SETTINGS mutations_sync = 2",
        {"gone": str(uuid4()), "topic": topic_id, "partition": at.partition, "end": end},
    )


def _sinks_run(settings: SinkSettings) -> SinksRun:
    return SinksRun(
        f"A sink runs, or ended without a word less than {settings.session_timeout_s:.0f} s ago: stop all "
        "sinks first."
    )
