"""Waiting until the store holds every enriched event."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from time import monotonic
from typing import Final

import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from loopin_schemas.topics import ENRICHED
from loopin_sinks.progress import Progress
from loopin_sinks.refusals import recreated
from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store
from loopin_streams.kafka.reader import Reader
from loopin_streams.projects.project import Projects
from loopin_streams.rebuild.idle import members
from loopin_streams.rebuild.refused import RebuildRefused

POLL_S: Final = 0.5

STALLED_S: Final = 60.0
"""How long the sink may store nothing before it counts as stuck."""


class Stored(msgspec.Struct, frozen=True):
    """How far the sinks' group has come on ``events.enriched``.

    ``committed`` are the offsets by partition, ``waiting`` the partitions that hold records from there on.
    """

    committed: dict[int, int]
    waiting: frozenset[int]


async def stored(settings: SinkSettings, topic_id: str, partitions: int) -> Stored:
    """Look once.

    Raises:
        RefusedToOpen: ``topic_recreated``: the offsets are those of an earlier topic.
        KafkaError: the broker refuses or does not answer.
    """
    topic = settings.topic(ENRICHED.name)
    committed = await _committed(settings, topic, topic_id)
    waiting = set()
    async with Reader(settings.kafka_bootstrap, [(topic, number) for number in range(partitions)]) as reader:
        for number in range(partitions):
            blocks = reader.blocks(topic, number, start=committed.get(number, 0))
            async with aclosing(blocks):
                # A log ends with a transaction's marker, which is no record.
                async for block in blocks:
                    if block:
                        waiting.add(number)
                        break
    return Stored(committed, frozenset(waiting))


async def catch_up(
    settings: SinkSettings, store: Store, projects: Projects, topic_id: str, partitions: int
) -> None:
    """Return once the store holds all there is, while nobody writes more.

    Where no sink runs, one runs here until then.

    Raises:
        RebuildRefused: ``sink_behind``: the sink does not go on.
        RefusedToOpen: the sink's offsets do not fit the topic.
        KafkaException, KafkaError: the broker refuses or does not answer.
    """
    if await asyncio.to_thread(members, settings, settings.topic("clickhouse")):
        await _until_stored(settings, topic_id, partitions, None)
        return
    stop = asyncio.Event()
    sink = Sink(settings, store, projects, topic_id)
    running = asyncio.create_task(sink.run(stop))
    waiting = asyncio.create_task(_until_stored(settings, topic_id, partitions, sink))
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        await waiting
    finally:
        stop.set()
        waiting.cancel()
        await asyncio.gather(running, waiting, return_exceptions=True)


async def _until_stored(settings: SinkSettings, topic_id: str, partitions: int, sink: Sink | None) -> None:
    before: Stored | None = None
    moved = monotonic()
    while True:
        try:
            now = await stored(settings, topic_id, partitions)
        except KafkaError as error:
            # A broker that has just started is still reading its groups.
            if not error.retriable or monotonic() - moved > STALLED_S:
                raise
            await asyncio.sleep(POLL_S)
            continue
        for refusal in sink.refusals.values() if sink is not None else ():
            raise refusal
        if not now.waiting:
            return
        if now != before:
            before, moved = now, monotonic()
        if monotonic() - moved > STALLED_S:
            why = sink.unready() if sink is not None else None
            raise RebuildRefused(
                "sink_behind",
                f"The sink has not stored all of {settings.topic(ENRICHED.name)} and does not go on"
                f"{f' ({why})' if why else ''}: see that it does, and run this again.",
            )
        await asyncio.sleep(POLL_S)


async def _committed(settings: SinkSettings, topic: str, topic_id: str) -> dict[int, int]:
    group = settings.topic("clickhouse")
    # confluent-kafka reads beyond the end of the metadata.
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    finally:
        await admin.close()
    found: dict[int, int] = {}
    for at, noted in offsets.items():
        if at.topic != topic or noted.offset < 0:
            continue
        note = Progress.of(noted.metadata)
        if note is not None and note.topic_id != topic_id:
            raise recreated(topic)
        found[at.partition] = noted.offset
    return found
