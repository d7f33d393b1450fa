"""How far a job has come over all its partitions, read from its markers, and a group from its offsets."""

from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, NoError, for_code
from aiokafka.protocol.commit import OffsetFetchRequest
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from loopin_schemas.codec import decode
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable
from loopin_streams.kafka.marker import MARKER_KEY, Counts, Marker
from loopin_streams.kafka.reader import Reader

TIMEOUT_S = 15.0
RETRY_S = 0.05

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


async def committed_offsets(bootstrap: str, group: str, topic: str) -> dict[int, int]:
    """Offsets that a consumer group has committed, by partition; waits for up to 15 s.

    Raises:
        BrokerUnreachable: no broker answers, or none keeps the group yet.
        BrokerRefused: another answer.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            found = await _group_offsets(bootstrap, group)
    except (TimeoutError, KafkaConnectionError) as error:
        raise BrokerUnreachable(
            f"No Kafka broker answers at {bootstrap}: start it, or check LOOPIN_KAFKA_BOOTSTRAP."
        ) from error
    except KafkaError as error:
        raise BrokerRefused(f"The Kafka broker refused: {error}.") from error
    return {
        partition: offset
        for name, partitions in found
        if name == topic
        for partition, offset, *_ in partitions
        if offset >= 0
    }


async def _group_offsets(bootstrap: str, group: str) -> list[tuple[str, list[tuple[int, int, str, int]]]]:
    """All offsets of a group: by topic its partitions, each with offset, metadata and an error code.

    While the broker that keeps the group starts or moves, confluent-kafka's method ends the process
    (librdkafka issue 5040), and aiokafka's says that the group has no offsets.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        while True:
            try:
                node = await admin.find_coordinator(group)
                answer = await admin._send_request(OffsetFetchRequest(group, None), node)
                refused = for_code(answer.error_code)
                if refused is NoError:
                    found: list[tuple[str, list[tuple[int, int, str, int]]]] = answer.topics
                    return found
                raise refused
            except KafkaError as error:
                if not error.retriable:
                    raise
                await asyncio.sleep(RETRY_S)
    finally:
        await admin.close()


def log_ends(bootstrap: str, topic: str, partitions: int) -> dict[int, int]:
    """The offset after the last record of each partition, of open transactions too; blocks for up to 15 s.

    Raises:
        KafkaException: the broker refuses, or does not answer.
    """
    # A client that knows a partition's leader of before never asks for the one of now by itself.
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    asked = admin.list_offsets(
        {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)},
        isolation_level=IsolationLevel.READ_UNCOMMITTED,
        request_timeout=TIMEOUT_S,
    )
    return {at.partition: int(one.result(TIMEOUT_S).offset) for at, one in asked.items()}
