"""How far a job has come over all its partitions, read from its markers, and a group from its offsets."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from loopin_schemas.codec import decode
from loopin_streams.kafka.marker import MARKER_KEY, Counts, Marker
from loopin_streams.kafka.reader import Reader

TIMEOUT_S = 5.0

_TAIL = 256
"""Records read first: every transaction ends with a marker, so one of the last few is one."""


async def newest_marker(reader: Reader, state_topic: str, partition: int) -> Marker | None:
    """The marker of one partition of the state topic, which ``reader`` must have been given."""
    log = await reader.log(state_topic, partition)
    tail = _TAIL
    while True:
        start = max(log.start, log.end - tail)
        found: bytes | None = None
        removed = False
        async for block in reader.blocks(state_topic, partition, start=start, end=log.end):
            for record in block:
                if record.key == MARKER_KEY:
                    found, removed = record.value, not record.value
        if found:
            return decode(found, Marker)
        if removed or start == log.start:
            return None
        tail *= 16


async def least_watermark(reader: Reader, state_topic: str, partitions: int) -> int | None:
    """The least watermark (epoch ms) of all partitions; None while one has none."""
    markers = [await newest_marker(reader, state_topic, number) for number in range(partitions)]
    known = [marker.watermark for marker in markers if marker is not None and marker.watermark is not None]
    return min(known) if len(known) == partitions else None


async def job_counts(bootstrap: str, state_topic: str, partitions: int) -> Counts:
    """Sum of the newest markers' counts; exact, because each marker was committed with its work."""
    total = Counts()
    async with Reader(bootstrap, [(state_topic, number) for number in range(partitions)]) as reader:
        for number in range(partitions):
            marker = await newest_marker(reader, state_topic, number)
            if marker is not None:
                total = total.plus(marker.counts)
    return total


def committed_offsets(admin: AdminClient, group: str, topic: str) -> dict[int, int]:
    """Offsets that a consumer group has committed, by partition; blocks for up to 5 s.

    Raises:
        KafkaException: the broker refuses.
        TimeoutError: it does not answer.
    """
    asked = admin.list_consumer_group_offsets(
        [ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_S
    )
    found = asked[group].result(TIMEOUT_S).topic_partitions
    return {at.partition: at.offset for at in found if at.topic == topic and at.offset >= 0}


def log_ends(admin: AdminClient, topic: str, partitions: int) -> dict[int, int]:
    """The offset after the last record of each partition, of open transactions too; blocks for up to 5 s.

    Raises:
        KafkaException: the broker refuses, or does not answer.
    """
    asked = admin.list_offsets(
        {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=TIMEOUT_S,
    )
    return {at.partition: int(one.result(TIMEOUT_S).offset) for at, one in asked.items()}
