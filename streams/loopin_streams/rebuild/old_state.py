"""What is there of a partition's state, and its removal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final

from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient

from loopin_schemas.codec import encode
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.marker import MARKER_KEY, STATE_VERSION, Marker
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe, transactional_id
from loopin_streams.kafka.progress import newest_marker
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.rebuild.truth import WindowId
from loopin_streams.windows.grains import GRAINS
from loopin_streams.windows.open_windows import STATE_PREFIX

BEGUN_KEY: Final = b"r"
"""On a state topic while a rebuild is under way: state without a marker, which a worker refuses."""

MOST_RECORDS: Final = 5_000
MOST_BYTES: Final = 4 << 20
"""Of one transaction."""

TIMEOUT_S: Final = 15.0


async def readable_marker(reader: Reader, state_topic: str, partition: int) -> Marker | None:
    """The partition's marker; None where there is none that this release can read."""
    try:
        marker = await newest_marker(reader, state_topic, partition)
    except (ValueError, RecursionError):
        return None
    return marker if marker is not None and marker.version <= STATE_VERSION else None


@asynccontextmanager
async def own_outbox(
    settings: KafkaSettings, job: str, partition: int, probe: Probe = no_probe
) -> AsyncGenerator[Outbox, None]:
    """The transactions of a job's partition, from which whoever had them is shut out."""
    outbox = Outbox(settings.kafka_bootstrap, transactional_id(settings, job, partition), probe=probe)
    try:
        await outbox.start()
        yield outbox
    finally:
        await outbox.stop()


async def erase_marker(
    settings: KafkaSettings, job: str, state_topic: str, partition: int, probe: Probe = no_probe
) -> None:
    """Remove a partition's marker, so that no worker opens it before the rebuild is done."""
    async with own_outbox(settings, job, partition, probe) as outbox:
        begun: list[Message] = [(BEGUN_KEY, b"{}"), (MARKER_KEY, None)]
        await outbox.commit([(settings.topic(state_topic), partition, begun)])


def last_messages(marker: Marker) -> list[Message]:
    """What ends a rebuild: the marker, and no more sign that one is under way."""
    return [(BEGUN_KEY, None), (MARKER_KEY, encode(marker))]


async def stale_keys(
    reader: Reader, topic: str, partition: int, unwanted: Callable[[Sequence[bytes]], Iterable[bytes]]
) -> AsyncGenerator[Message, None]:
    """Removals of the keys on a compacted partition that ``unwanted`` picks, each once."""
    removed: set[bytes] = set()
    async for block in reader.blocks(topic, partition):
        keys = dict.fromkeys(record.key for record in block if record.key is not None)
        for key in unwanted(list(keys)):
            if key not in removed:
                removed.add(key)
                yield key, None


async def kept_windows(reader: Reader, state_topic: str, partition: int) -> dict[bytes, WindowId]:
    """The windows on a state topic, by their keys; whatever is in them."""
    found: dict[bytes, WindowId] = {}
    async for block in reader.blocks(state_topic, partition):
        for record in block:
            key = record.key or b""
            window = _window_of(key)
            if window is not None and record.value is not None:
                found[key] = window
            else:
                found.pop(key, None)
    return found


def _window_of(key: bytes) -> WindowId | None:
    if not key.startswith(STATE_PREFIX):
        return None
    parts = key.removeprefix(STATE_PREFIX).decode("utf-8", "replace").rsplit(":", 2)
    for grain in GRAINS:
        if len(parts) == 3 and parts[1] == grain.name and parts[2].isdecimal():
            return parts[0], grain.name, int(parts[2])
    return None


async def forget(settings: KafkaSettings, topic: str, partition: int) -> None:
    """Remove all records of a partition that is not compacted."""
    admin = AdminClient({"bootstrap.servers": settings.kafka_bootstrap, "log_level": 0})
    at = TopicPartition(settings.topic(topic), partition, OFFSET_END)
    await asyncio.to_thread(lambda: admin.delete_records([at])[at].result(TIMEOUT_S))


async def commit_all(
    outbox: Outbox, topic: str, partition: int, messages: AsyncIterable[Message] | Iterable[Message]
) -> None:
    """Publish any number of records, in bounded transactions."""
    part: list[Message] = []
    size = 0
    async for key, value in _each(messages):
        part.append((key, value))
        size += len(key or b"") + len(value or b"")
        if len(part) >= MOST_RECORDS or size >= MOST_BYTES:
            await outbox.commit([(topic, partition, part)])
            part, size = [], 0
    if part:
        await outbox.commit([(topic, partition, part)])


async def _each(messages: AsyncIterable[Message] | Iterable[Message]) -> AsyncGenerator[Message, None]:
    if isinstance(messages, AsyncIterable):
        async for message in messages:
            yield message
    else:
        for message in messages:
            yield message
