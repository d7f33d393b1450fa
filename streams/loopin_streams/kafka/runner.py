"""The exactly-once runner: one transaction for each batch and input partition.

Every stateful job (enrichment first) runs on it. The lane asks it which partitions may be fetched and from
where, and hands it batches; nothing here knows Faust. See design: a partition is opened by fencing its
former owner, reading the job's state topics to the end, and taking the marker; every input record at or
below the marker is skipped whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from time import monotonic

import structlog
from aiokafka.errors import KafkaError

from loopin_streams.kafka.errors import PERMANENT, AbsorbFailed, Fenced, RefusedToOpen
from loopin_streams.kafka.job import Absorber, Job
from loopin_streams.kafka.marker import Counts, Marker
from loopin_streams.kafka.meter import Meter, Meters
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe, transactional_id
from loopin_streams.kafka.partition import Limits, OpenPartition
from loopin_streams.kafka.past import Past
from loopin_streams.kafka.reader import Reader
from loopin_streams.kafka.settings import KafkaSettings
from loopin_streams.kafka.settling import Transactions, settle

log = structlog.get_logger(__name__)

BROKER_ERRORS = (KafkaError, OSError, TimeoutError)
"""What goes away by itself; being fenced is not among them."""

RETRY_S = (0.5, 1.0, 2.0, 5.0)
"""Waits before a partition is opened again; the last one repeats, until something was committed."""

DEFECT_TRIES = 3
"""Failures of a job in a row, without progress, after which it leaves the partition alone."""

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
        on_refused: Callable[[RefusedToOpen], None] | None = None,
        partitions: int | None = None,
        store_ids: Mapping[str, str] | None = None,
        limits: Limits | None = None,
        probe: Probe = no_probe,
        meter: Meter | None = None,
    ) -> None:
        """``partitions`` is how many the input topic has; by default what the settings say.

        ``on_refused`` is told the last refusal when no partition is left to work on, which is fatal by
        default.
        ``store_ids`` gives Kafka's ids of the job's state topic and history topics, by name without prefix.
        """
        self.job = job
        self.topic = settings.topic(job.input)
        self._settings = settings
        self._topic_id = topic_id
        self._partitions = partitions or settings.partitions
        self._past = Past(settings, job, topic_id, self._partitions, store_ids or {})
        self._on_fatal = on_fatal
        self._on_refused = on_refused or on_fatal
        self._limits = limits or Limits()
        self._probe = probe
        self._meter = meter or Meters().of(job.name)
        self._assigned = False
        self._refused: dict[int, RefusedToOpen] = {}
        self._opening: dict[int, asyncio.Task[None]] = {}
        self._open: dict[int, OpenPartition] = {}
        self._closing: dict[int, asyncio.Task[None]] = {}
        self._kept: dict[int, tuple[Marker, Absorber]] = {}
        self._failures: dict[int, int] = {}

    # The lane's side.

    def ready(self, partition: int) -> bool:
        """Whether the partition is open and has room for another batch."""
        found = self._open.get(partition)
        if found is None or found.full:
            return False
        # However much waits in all, whoever has nothing is served: a hot partition starves none.
        waiting = sum(each.waiting_bytes for each in tuple(self._open.values()))
        return not found.waiting_bytes or waiting < self._limits.max_bytes_in_all

    def partition(self, partition: int) -> OpenPartition | None:
        """The partition while it is open; its ``fetched`` says where the next fetch starts."""
        return self._open.get(partition)

    def durable(self, partition: int) -> int | None:
        """Offset up to which (exclusive) the partition's input is committed, if it is open."""
        found = self._open.get(partition)
        return found.durable if found is not None else None

    # Assignment.

    def assign(self, partitions: Iterable[int]) -> None:
        """Open ``partitions`` in the background, also those held before: others may have had them since.

        They are all that this process works on now; of others no state is kept any longer.
        """
        self._assigned = True
        wanted = list(partitions)
        if max(wanted, default=0) >= self._partitions:
            self._on_fatal(self._grown(max(wanted)))
            return
        self._let_go(self._kept.keys() - wanted)
        for partition in wanted:
            if partition not in self._opening and partition not in self._open:
                self._opening[partition] = asyncio.create_task(self._open_guarded(partition))

    async def revoke(self, partitions: Iterable[int]) -> None:
        """Give partitions up: cancel their work and abort its open transactions."""
        self._assigned = False
        closing = [self._close(partition) for partition in list(partitions)]
        await asyncio.gather(*closing)
        self._refused.clear()

    async def stop(self) -> None:
        """Give up everything."""
        await self.revoke({*self._opening, *self._open})
        self._let_go(set(self._kept))

    def _let_go(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            _, absorber = self._kept.pop(partition)
            absorber.close()

    @property
    def opened(self) -> frozenset[int]:
        """Partitions that are open now."""
        return frozenset(self._open)

    def unready(self) -> str | None:
        """Why the job is not at work yet, in one sentence; None when all it was assigned is open.

        A worker that got no partition, because there are more workers than partitions, is ready to step in.
        """
        return self.opening() or self.refused()

    def opening(self) -> str | None:
        """What it waits for before it is at work, in one sentence; None when no partition is on its way."""
        if not self._assigned:
            return "no partitions are assigned yet"
        if self._opening:
            return f"partitions are being opened: {', '.join(map(str, sorted(self._opening)))}"
        return None

    def refused(self) -> str | None:
        """Which partitions it leaves alone and why, until somebody acts; None when it works on all."""
        refused = sorted(self._refused.items())
        return " ".join(f"Partition {at} is refused: {why}" for at, why in refused) or None

    @property
    def partitions(self) -> Mapping[int, OpenPartition]:
        """The open partitions by number."""
        return dict(self._open)

    async def positions(self) -> dict[int, int]:
        """For each open partition the offset of the first record that is not absorbed."""
        return {number: partition.durable for number, partition in self._open.items()}

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
        """Open a partition, again and again while the broker fails."""
        for attempt in count(self._failures.get(partition, 0)):
            if not self._may_open(partition):
                return
            try:
                await self._open_partition(partition)
            except (RefusedToOpen, *PERMANENT) as error:
                self._refuse(partition, self._refusal(partition, error))
            except BROKER_ERRORS as error:
                log.warning("open_failed", job=self.job.name, partition=partition, reason=_said(error))
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
                continue
            except Exception as error:
                self._on_fatal(error)
            return

    def _refuse(self, partition: int, error: RefusedToOpen) -> None:
        """Leave the partition alone and work on the others; with none left, the process ends."""
        log.error(
            "partition_refused", job=self.job.name, partition=partition, code=error.code, reason=str(error)
        )
        self._refused[partition] = error
        del self._opening[partition]
        if not self._opening and not self._open:
            self._on_refused(error)

    def _grown(self, partition: int) -> RefusedToOpen:
        """Partitions were added while it works: from now on users are in other ones than their past."""
        return RefusedToOpen(
            "partitions_changed",
            f"The input topic of job {self.job.name} had {self._partitions} partitions and now has partition "
            f"{partition}, so users are in other ones now: stop the workers and run `loopin state rebuild "
            f"{self.job.name}`.",
        )

    def _refusal(self, partition: int, error: BaseException) -> RefusedToOpen:
        """What the broker refuses for good counts as a refusal of ours: somebody has to act."""
        if isinstance(error, RefusedToOpen):
            return error
        return RefusedToOpen(
            "broker_refused",
            f"The broker refuses partition {partition} of job {self.job.name} ({_said(error)}): mend its "
            "permissions or limits, then restart the worker.",
        )

    def _defect(self, partition: int, error: AbsorbFailed) -> RefusedToOpen:
        """One batch that a job cannot take must not stop the other partitions; nothing of it is lost."""
        return RefusedToOpen(
            "internal_error",
            f"Job {self.job.name} fails on the same records of partition {partition} again and again "
            f"({error}), which is a defect of this program: report what the worker's log says of it, and "
            f"restart the worker with a release that mends it before the records leave {self.topic}.",
        )

    def _may_open(self, partition: int) -> bool:
        """Whether the task that asks is to open the partition still.

        Not so once it is revoked: aiokafka sometimes swallows the cancellation while it stops a consumer.
        """
        return self._opening.get(partition) is asyncio.current_task()

    async def _reopen(self, partition: int, closing: asyncio.Task[None], error: BaseException) -> None:
        try:
            await asyncio.shield(closing)
        except Exception as failure:
            # What cannot be let go of must not be opened beside itself.
            self._on_fatal(failure)
            return
        if isinstance(error, AbsorbFailed) and self._failures[partition] >= DEFECT_TRIES:
            error = self._defect(partition, error)
        if isinstance(error, (RefusedToOpen, *PERMANENT)):
            if self._may_open(partition):
                self._refuse(partition, self._refusal(partition, error))
            return
        await asyncio.sleep(RETRY_S[min(self._failures[partition], len(RETRY_S)) - 1])
        await self._open_guarded(partition)

    async def _open_partition(self, partition: int) -> None:
        outbox = Outbox(
            self._settings.kafka_bootstrap,
            transactional_id(self._settings, self.job.name, partition),
            probe=self._probe,
        )
        absorber: Absorber | None = None
        opened = False
        begun = monotonic()
        try:
            await outbox.start()
            self._probe("fenced")
            names = {*self._restored_topics, *self.job.outputs}
            topics = [(self._settings.topic(name), partition) for name in sorted(names)]
            await settle(
                self._settings.kafka_bootstrap,
                outbox,
                Transactions.of(self._settings, self.job.state_topic, names, partition, self._partitions),
                rebuild=f"loopin state rebuild {self.job.name}",
            )
            async with Reader(self._settings.kafka_bootstrap, topics) as reader:
                marker, state = await self._past.marker_and_state(reader, partition)
                absorber = self._kept_absorber(partition, marker)
                if absorber is None:
                    # Not in a thread: a cancellation would leave its files open, with nobody to close them.
                    absorber = self.job.open(partition, self._topic_id)
                    await self._past.restore(reader, partition, absorber, self._probe)
                    await asyncio.to_thread(absorber.opened, marker, state)
            self._probe("restored")
            if not self._may_open(partition):
                return
            found = OpenPartition(
                partition,
                absorber,
                marker,
                outbox,
                state_topic=self._settings.topic(self.job.state_topic),
                topic_prefix=self._settings.topic_prefix,
                limits=self._limits,
                meter=self._meter,
            )
            opened = True
        finally:
            if not opened:
                if absorber is not None:
                    await asyncio.to_thread(absorber.close)
                await outbox.stop()
        self._open[partition] = found
        self._meter.restore(monotonic() - begun)
        found.start(lambda error: self._failed(found, error))
        del self._opening[partition]
        log.info("partition_open", job=self.job.name, partition=partition, position=marker.position)

    def _kept_absorber(self, partition: int, marker: Marker) -> Absorber | None:
        """The state held in memory, if nobody has worked on the partition since."""
        kept = self._kept.pop(partition, None)
        if kept is None:
            return None
        kept_marker, absorber = kept
        if kept_marker == marker:
            return absorber
        absorber.close()
        return None

    async def _close(self, partition: int) -> None:
        opening = self._opening.pop(partition, None)
        if opening is not None:
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
        if partition in self._closing:
            # To its end: the next to open the partition may be this process.
            await asyncio.gather(self._closing[partition], return_exceptions=True)
        found = self._open.pop(partition, None)
        if found is not None:
            await found.close()
            if found.clean:
                self._kept[partition] = (found.marker, found.absorber)
            else:
                await asyncio.to_thread(found.absorber.close)

    async def _give_up(self, failed: OpenPartition) -> None:
        try:
            await failed.close()
        finally:
            await asyncio.to_thread(failed.absorber.close)
            del self._closing[failed.partition]

    def _failed(self, failed: OpenPartition, error: BaseException) -> None:
        """Work on a partition has ended: the broker, a refusal or a job's defect concern that one only."""
        partition = failed.partition
        if isinstance(error, (*BROKER_ERRORS, RefusedToOpen, AbsorbFailed)):
            log.warning(
                "partition_failed",
                job=self.job.name,
                partition=partition,
                reason=_said(error),
                exc_info=error if isinstance(error, AbsorbFailed) else None,
            )
            # Unless it was revoked before its task's end was told.
            if self._open.get(partition) is failed:
                del self._open[partition]
                self._failures[partition] = 1 + (0 if failed.advanced else self._failures.get(partition, 0))
                closing = self._closing[partition] = asyncio.create_task(self._give_up(failed))
                self._opening[partition] = asyncio.create_task(self._reopen(partition, closing, error))
            return
        if isinstance(error, Fenced):
            log.error("fenced", job=self.job.name, partition=partition, reason=str(error))
        self._on_fatal(error)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
