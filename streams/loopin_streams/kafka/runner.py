"""The exactly-once runner: one transaction for each batch and input partition.

Every stateful job (enrichment first) runs on it. The lane asks it which partitions may be fetched and from
where, and hands it batches; nothing here knows Faust. See design: a partition is opened by fencing its
former owner, reading the job's state topics to the end, and taking the marker; every input record at or
below the marker is skipped whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from loopin_schemas.codec import decode
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.errors import Fenced, RefusedToOpen
from loopin_streams.kafka.job import Absorber, Job
from loopin_streams.kafka.marker import MARKER_KEY, Counts, Marker, check_marker
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe
from loopin_streams.kafka.partition import Limits, OpenPartition
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings

log = structlog.get_logger(__name__)

Fatal = Callable[[BaseException], None]
"""Called once with the error that must end the process."""


class Runner:
    """One job over the partitions that this process is assigned.

    All methods run on one event loop, except :meth:`partition`, which the lane also calls from its
    consumer thread.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        job: Job,
        topic_id: str,
        *,
        on_fatal: Fatal,
        limits: Limits | None = None,
        probe: Probe = no_probe,
    ) -> None:
        self.job = job
        self.topic = settings.topic(job.input)
        self._settings = settings
        self._topic_id = topic_id
        self._on_fatal = on_fatal
        self._limits = limits or Limits()
        self._probe = probe
        self._assigned = False
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._open: dict[int, OpenPartition] = {}
        self._kept: dict[int, tuple[Marker, Absorber]] = {}

    # The lane's side.

    def ready(self, partition: int) -> bool:
        """Whether the partition is open and has room for another batch."""
        found = self._open.get(partition)
        return found is not None and not found.full

    def partition(self, partition: int) -> OpenPartition | None:
        """The partition while it is open; its ``fetched`` says where the next fetch starts."""
        return self._open.get(partition)

    def durable(self, partition: int) -> int | None:
        """Offset up to which (exclusive) the partition's input is committed, if it is open."""
        found = self._open.get(partition)
        return found.durable if found is not None else None

    # Assignment.

    def assign(self, partitions: Iterable[int]) -> None:
        """Open ``partitions`` in the background, also those held before: others may have had them since."""
        self._assigned = True
        for partition in partitions:
            if partition not in self._opening and partition not in self._open:
                self._opening[partition] = asyncio.create_task(self._open_guarded(partition))

    async def revoke(self, partitions: Iterable[int]) -> None:
        """Give partitions up: cancel their work and abort its open transactions."""
        self._assigned = False
        closing = [self._close(partition) for partition in list(partitions)]
        await asyncio.gather(*closing)

    async def stop(self) -> None:
        """Give up everything."""
        await self.revoke({*self._opening, *self._open})

    @property
    def opened(self) -> frozenset[int]:
        """Partitions that are open now."""
        return frozenset(self._open)

    def unready(self) -> str | None:
        """Why the job is not at work yet, in one sentence; None when all it was assigned is open.

        A worker that got no partition, because there are more workers than partitions, is ready to step in.
        """
        if not self._assigned:
            return "no partitions are assigned yet"
        if self._opening:
            return f"partitions are being opened: {', '.join(map(str, sorted(self._opening)))}"
        return None

    def counts(self) -> Counts:
        """Counts of the open partitions' markers."""
        total = Counts()
        for partition in self._open.values():
            total = total.plus(partition.marker.counts)
        return total

    @property
    def _restored_topics(self) -> tuple[str, ...]:
        return (self.job.state_topic, *self.job.history)

    async def _open_guarded(self, partition: int) -> None:
        try:
            await self._open_partition(partition)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self._on_fatal(error)

    async def _open_partition(self, partition: int) -> None:
        outbox = Outbox(
            self._settings.kafka_bootstrap,
            f"{self._settings.topic_prefix}{self.job.name}-{partition}",
            probe=self._probe,
        )
        opened = False
        try:
            await outbox.start()
            self._probe("fenced")
            restored = [(self._settings.topic(name), partition) for name in self._restored_topics]
            async with Reader(self._settings.kafka_bootstrap, restored) as reader:
                marker, position, history = await self._restore(reader, partition)
            self._probe("restored")
            if self._opening.get(partition) is not asyncio.current_task():
                # Revoked meanwhile: aiokafka sometimes swallows the cancellation while it stops a consumer.
                return
            kept_marker, kept_absorber = self._kept.pop(partition, (None, None))
            absorber = (
                kept_absorber
                if kept_absorber is not None and kept_marker == marker
                else self.job.open(partition, self._topic_id, history)
            )
            marker = marker or Marker(topic_id=self._topic_id, position=position)
            found = OpenPartition(
                partition,
                absorber,
                marker,
                outbox,
                state_topic=self._settings.topic(self.job.state_topic),
                topic_prefix=self._settings.topic_prefix,
                limits=self._limits,
            )
            opened = True
        finally:
            if not opened:
                await outbox.stop()
        self._open[partition] = found
        found.start(self._failed)
        del self._opening[partition]
        log.info("partition_open", job=self.job.name, partition=partition, position=position)

    async def _restore(
        self, reader: Reader, partition: int
    ) -> tuple[Marker | None, int, dict[str, list[Record]]]:
        input_log = await reader.log(self.topic, partition)
        state = await reader.read(self._settings.topic(self.job.state_topic), partition)
        history = {
            name: await reader.read(self._settings.topic(name), partition) for name in self.job.history
        }
        marker = _newest_marker(state)
        has_state = any(history.values()) or any(record.key != MARKER_KEY for record in state)
        position = check_marker(
            marker,
            job=self.job.name,
            partition=partition,
            topic_id=self._topic_id,
            start=input_log.start,
            end=input_log.end,
            has_state=has_state,
            state_topics=[self._settings.topic(name) for name in self._restored_topics],
        )
        return marker, position, history

    async def _close(self, partition: int) -> None:
        opening = self._opening.pop(partition, None)
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        found = self._open.pop(partition, None)
        if found is not None:
            await found.close()
            if found.clean:
                self._kept[partition] = (found.marker, found.absorber)

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, Fenced):
            log.error("fenced", job=self.job.name, reason=str(error))
        self._on_fatal(error)


def _newest_marker(state: list[Record]) -> Marker | None:
    for record in reversed(state):
        if record.key == MARKER_KEY and record.value is not None:
            try:
                return decode(record.value, Marker)
            except ValueError as error:
                raise RefusedToOpen(
                    "marker_unreadable",
                    f"The marker at offset {record.offset} of the state topic cannot be read ({error}): "
                    "a newer version may have written it; run that version, or reset the job's state topics.",
                ) from error
    return None
