"""What the topics say of the work on one input partition so far: the marker, the state, and its history."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec.structs import replace

from loopin_schemas.codec import decode
from loopin_streams.kafka.errors import RefusedToOpen
from loopin_streams.kafka.job import Absorber, Job
from loopin_streams.kafka.marker import MARKER_KEY, Marker, check_marker
from loopin_streams.kafka.outbox import Probe
from loopin_streams.kafka.progress import newest_marker
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings


class Past:
    """Of one job; ``topic_id`` and ``partitions`` are the input topic's, ``store_ids`` those of its state."""

    def __init__(
        self, settings: KafkaSettings, job: Job, topic_id: str, partitions: int, store_ids: Mapping[str, str]
    ) -> None:
        self._settings = settings
        self._job = job
        self._topic_id = topic_id
        self._partitions = partitions
        self._store_ids = store_ids

    async def marker_and_state(self, reader: Reader, partition: int) -> tuple[Marker, dict[bytes, bytes]]:
        """The marker, checked against the input log, and the newest value of every other key.

        Raises:
            RefusedToOpen: the marker does not fit the topics (see :func:`check_marker`).
        """
        state = await _newest_values(reader, self._settings.topic(self._job.state_topic), partition)
        written = state.pop(MARKER_KEY, None)
        marker = _decoded(written) if written is not None else None
        input_log = await reader.log(self._settings.topic(self._job.input), partition)
        position = check_marker(
            marker,
            job=self._job.name,
            partition=partition,
            topic_id=self._topic_id,
            start=input_log.start,
            end=input_log.end,
            partitions=self._partitions,
            has_worked=marker is None and (bool(state) or await self._has_worked(reader, partition)),
            stores=self._store_ids,
        )
        if marker is None:
            await self._check_not_added(partition)
            marker = Marker(topic_id=self._topic_id, position=position, partitions=self._partitions)
        return replace(marker, stores={**self._store_ids, **marker.stores}), state

    async def _check_not_added(self, partition: int) -> None:
        """Refuse to begin a partition that was added to others: its users have their past in those."""
        topic = self._settings.topic(self._job.state_topic)
        async with Reader(self._settings.kafka_bootstrap, [(topic, 0)]) as reader:
            try:
                first = await newest_marker(reader, topic, 0)
            except ValueError as error:
                raise _unreadable(error) from error
        if first is not None and first.partitions not in (None, self._partitions):
            raise RefusedToOpen(
                "partitions_changed",
                f"The input topic of job {self._job.name} had {first.partitions} partitions and has "
                f"{self._partitions}, so users are in other ones now, and partition {partition} cannot begin "
                f"without their past: stop the workers and run `loopin state rebuild {self._job.name}`.",
            )

    async def _has_worked(self, reader: Reader, partition: int) -> bool:
        for name in {*self._job.history, *self._job.outputs}:
            if await reader.holds_any(self._settings.topic(name), partition):
                return True
        return False

    async def restore(self, reader: Reader, partition: int, absorber: Absorber, probe: Probe) -> None:
        """Hand the history topics to the absorber; the probe passes ``restoring`` with each block."""
        for name in self._job.history:
            async for block in reader.blocks(self._settings.topic(name), partition):
                await asyncio.to_thread(absorber.restore, name, block)
                probe("restoring")


async def _newest_values(reader: Reader, topic: str, partition: int) -> dict[bytes, bytes]:
    """A compacted partition as it would be when fully compacted."""
    found: dict[bytes, bytes] = {}
    async for block in reader.blocks(topic, partition):
        for record in block:
            if record.key is None:
                continue
            if record.value is None:
                found.pop(record.key, None)
            else:
                found[record.key] = record.value
    return found


def _decoded(marker: bytes) -> Marker:
    try:
        return decode(marker, Marker)
    except (ValueError, RecursionError) as error:
        raise _unreadable(error) from error


def _unreadable(error: Exception) -> RefusedToOpen:
    return RefusedToOpen(
        "marker_unreadable",
        f"A marker on the state topic cannot be read ({error}): a newer version may have written it; run "
        "that version, or stop the workers and run `loopin state rebuild`.",
    )
