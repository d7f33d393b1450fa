"""One open input partition: its waiting batches, its state, and the task that commits them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from loopin_schemas.codec import encode
from loopin_streams.kafka.batch import Batch
from loopin_streams.kafka.job import Absorber, Message
from loopin_streams.kafka.marker import MARKER_KEY, Marker
from loopin_streams.kafka.outbox import Outbox


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one transaction gathers, whichever comes first, and how much may wait unread."""

    linger_s: float = 0.1
    max_events: int = 5000
    max_bytes: int = 8 << 20
    max_waiting_events: int = 20_000
    max_waiting_bytes: int = 32 << 20


class OpenPartition:
    """Works off the batches of one partition in order, one transaction at a time.

    ``fetched`` is where the lane's next fetch starts, ``delivered`` the end of the last batch taken in,
    ``durable`` that of the last one committed (all exclusive offsets). ``clean`` says whether the state
    stands exactly at the marker: not so while a batch is absorbed but not committed.
    """

    def __init__(
        self,
        partition: int,
        absorber: Absorber,
        marker: Marker,
        outbox: Outbox,
        *,
        state_topic: str,
        topic_prefix: str,
        limits: Limits,
    ) -> None:
        self.partition = partition
        self.absorber = absorber
        self.marker = marker
        self.fetched = self.delivered = marker.position
        self.waiting_events = self._waiting_bytes = 0
        self._closed = False
        self.clean = True
        self._outbox = outbox
        self._state_topic = state_topic
        self._topic_prefix = topic_prefix
        self._limits = limits
        self._waiting: deque[Batch] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def durable(self) -> int:
        """Offset up to which (exclusive) the input is committed."""
        return self.marker.position

    @property
    def full(self) -> bool:
        """Whether enough waits already, so that nothing more should be fetched."""
        return (
            self.waiting_events >= self._limits.max_waiting_events
            or self._waiting_bytes >= self._limits.max_waiting_bytes
        )

    def start(self, on_failure: Callable[[BaseException], None]) -> None:
        """Begin to work; a failure ends the work and is handed to ``on_failure``."""
        self._task = asyncio.create_task(self._work())
        self._task.add_done_callback(lambda task: _report(task, on_failure))

    def submit(self, batch: Batch) -> None:
        """Queue a fetched batch; one that does not follow its predecessor is dropped and fetched anew.

        Faust drops fetched batches during a rebalance; without this check they would be lost.
        """
        if self._closed:
            return
        if batch.start != self.delivered:
            self.fetched = self.delivered
            return
        self._waiting.extend(batch.split(self._limits.max_events, self._limits.max_bytes))
        self.waiting_events += len(batch.records)
        self._waiting_bytes += _size(batch)
        self.delivered = batch.end
        self._arrived.set()

    async def close(self) -> None:
        """Stop working, abort what is open, and let the producer go."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._outbox.abort()
        await self._outbox.stop()
        self._waiting.clear()

    async def _work(self) -> None:
        while True:
            await self._commit(await self._gather())

    async def _gather(self) -> list[Batch]:
        """Wait for a batch, then for more until the limits or the linger time are reached."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        deadline = monotonic() + self._limits.linger_s
        taken: list[Batch] = []
        events = size = 0
        while True:
            while self._waiting:
                batch = self._waiting[0]
                events += len(batch.records)
                size += _size(batch)
                if taken and (events > self._limits.max_events or size > self._limits.max_bytes):
                    return taken
                taken.append(self._waiting.popleft())
            if events >= self._limits.max_events or size >= self._limits.max_bytes:
                return taken
            self._arrived.clear()
            try:
                async with asyncio.timeout(max(0.0, deadline - monotonic())):
                    await self._arrived.wait()
            except TimeoutError:
                return taken

    async def _commit(self, batches: list[Batch]) -> None:
        records = [record for batch in batches for record in batch.records]
        self.clean = False
        # In a thread, so that one slow batch holds up neither heartbeats, revocations nor health checks.
        output = await asyncio.to_thread(self.absorber.absorb, records)
        marker = Marker(
            topic_id=self.marker.topic_id,
            position=batches[-1].end,
            watermark=self.marker.watermark,
            counts=self.marker.counts.plus(output.counts),
        )
        await self._outbox.commit(self._messages(output.messages, marker))
        self.marker = marker
        self.clean = True
        self.waiting_events -= len(records)
        self._waiting_bytes -= sum(_size(batch) for batch in batches)

    def _messages(
        self, found: dict[str, list[Message]], marker: Marker
    ) -> list[tuple[str, int, list[Message]]]:
        messages = [(self._topic_prefix + name, self.partition, batch) for name, batch in found.items()]
        return [*messages, (self._state_topic, self.partition, [(MARKER_KEY, encode(marker))])]


def _size(batch: Batch) -> int:
    return sum(len(record.value or b"") for record in batch.records)


def _report(task: asyncio.Task[None], on_failure: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        on_failure(error)
