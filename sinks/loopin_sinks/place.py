"""Where a partition is read on from, by the sink's note or by what the store holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from loopin_sinks.progress import Progress
from loopin_sinks.refusals import outside, recreated, unnoted
from loopin_streams.kafka.reader import Log


class Place(NamedTuple):
    """Rows before ``start`` are stored.

    Those up to ``end`` may be stored in part, and are to be completed as one range; afterwards those up to
    ``doubtful_to``. Each is ``start`` where there are none.
    """

    start: int
    end: int
    doubtful_to: int


async def committed(consumer: AIOKafkaConsumer, at: TopicPartition) -> OffsetAndMetadata | None:
    """What the consumer's group has committed, with its metadata."""
    # The public `committed` leaves the metadata out.
    found: OffsetAndMetadata | None = (await consumer._coordinator.fetch_committed_offsets([at])).get(at)
    return found if found is not None and found.offset >= 0 else None


async def place_of(
    at: TopicPartition,
    found: OffsetAndMetadata | None,
    kept: Log,
    topic_id: str,
    stored_up_to: Callable[[int], Awaitable[int]],
) -> Place:
    """Where to read on.

    Args:
        at: the partition.
        found: what the sinks' group has committed.
        kept: what the log holds.
        topic_id: Kafka's id of the topic.
        stored_up_to: the offset after the last one of a partition in the store, 0 where it holds none.

    Raises:
        RefusedToOpen: the topic is another one, or the log has lost records that are not stored, or its end.
    """
    note = Progress.of(found.metadata) if found is not None else None
    if found is not None and note is not None and note.topic_id != topic_id:
        raise recreated(at.topic)
    start = found.offset if found is not None else kept.start
    if not kept.start <= start <= kept.end:
        raise outside(at, start, kept)
    if note is not None:
        place = Place(start, max(start, note.end or 0), max(start, note.doubtful_to or 0))
        # A log that lost its end grows again, with other records, which would be taken for stored.
        if max(place) > kept.end:
            raise outside(at, max(place), kept)
        return place
    # Without a note, the offset is somebody else's word or none: the store knows what it holds.
    stored = await stored_up_to(at.partition)
    if stored > kept.end or 0 < stored < kept.start:
        raise unnoted(at, stored, kept)
    return Place(start, start, max(start, stored))
