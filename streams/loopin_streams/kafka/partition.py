"""One open input partition: its waiting batches, its state, and the task that commits them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import monotonic, time
from typing import Any, NamedTuple, TypeVar

from loopin_schemas.codec import encode
from loopin_streams.kafka.batch import Batch
from loopin_streams.kafka.errors import AbsorbFailed, RefusedToOpen
from loopin_streams.kafka.job import Absorber, Message, Output
from loopin_streams.kafka.marker import MARKER_KEY, STATE_VERSION, Marker
from loopin_streams.kafka.meter import Meter, Meters
from loopin_streams.kafka.outbox import Outbox

T = TypeVar("T")

_ABSORBING = ThreadPoolExecutor(1, thread_name_prefix="absorb")
"""One thread for all partitions, in turn: several only fight for the interpreter's lock (10 % slower)."""

FRESH_MS = 5_000
"""A broker that has been silent for longer may have got records since."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one transaction gathers, whichever comes first, and how much may wait unread.

    ``max_bytes_in_all`` bounds what waits in all partitions of a job together, but for one fetch of each.
    After ``idle_s`` without input the job is asked what it has to say.
    """

    linger_s: float = 0.1
    idle_s: float = 1.0
    max_events: int = 5000
    max_bytes: int = 8 << 20
    max_waiting_events: int = 10_000
    max_waiting_bytes: int = 32 << 20
    max_bytes_in_all: int = 128 << 20


class _EndSeen(NamedTuple):
    """An answer of the broker: the log's end, when it was read, and when the answer before it was read.

    The question came after that one. A process that stood still for hours reads an answer of back then, so
    only what had happened when it was asked is sure.
    """

    end: int
    answered_ms: int
    asked_after_ms: int | None


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
        meter: Meter | None = None,
    ) -> None:
        self.partition = partition
        self.absorber = absorber
        self.marker = marker
        self.fetched = self.delivered = self._opened_at = marker.position
        self.waiting_events = self.waiting_bytes = 0
        self._closed = False
        self._end_seen: _EndSeen | None = None
        self.clean = True
        self._outbox = outbox
        self._state_topic = state_topic
        self._topic_prefix = topic_prefix
        self._limits = limits
        self._meter = meter or Meters().of(state_topic)
        self._waiting: deque[Batch] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._running: asyncio.Future[Any] | None = None

    @property
    def durable(self) -> int:
        """Offset up to which (exclusive) the input is committed."""
        return self.marker.position

    @property
    def advanced(self) -> bool:
        """Whether input was committed since it was opened."""
        return self.durable > self._opened_at

    @property
    def full(self) -> bool:
        """Whether enough waits already, so that nothing more should be fetched."""
        return (
            self.waiting_events >= self._limits.max_waiting_events
            or self.waiting_bytes >= self._limits.max_waiting_bytes
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
        self.waiting_bytes += batch.size
        self.delivered = batch.end
        self._arrived.set()

    def at_end(self, end: int, answered_ms: int) -> None:
        """Note the broker's answer that the log ends at ``end``, read at epoch ms ``answered_ms``.

        From the lane's thread, as often as it likes.
        """
        seen = self._end_seen
        if seen is None or seen.answered_ms != answered_ms:
            self._end_seen = _EndSeen(end, answered_ms, seen.answered_ms if seen is not None else None)

    async def close(self) -> None:
        """Stop working, abort what is open, and let the producer go."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._running is not None:
            # A thread cannot be cancelled, and it uses the state.
            await asyncio.gather(self._running, return_exceptions=True)
        await self._outbox.abort()
        await self._outbox.stop()
        self._waiting.clear()

    async def _work(self) -> None:
        while True:
            batches = await self._gather()
            if batches:
                await self._absorb(batches)
            else:
                await self._idle()

    async def _gather(self) -> list[Batch]:
        """Wait for a batch, then for more until the limits or the linger time are reached; [] when idle."""
        if not await self._arrival(self._limits.idle_s):
            return []
        deadline = monotonic() + self._limits.linger_s
        taken: list[Batch] = []
        events = size = 0
        while True:
            while self._waiting:
                batch = self._waiting[0]
                events += len(batch.records)
                size += batch.size
                if taken and (events > self._limits.max_events or size > self._limits.max_bytes):
                    return taken
                taken.append(self._waiting.popleft())
            if events >= self._limits.max_events or size >= self._limits.max_bytes:
                return taken
            if not await self._arrival(max(0.0, deadline - monotonic())):
                return taken

    async def _arrival(self, seconds: float) -> bool:
        """Whether a batch waits, after at most ``seconds``."""
        if self._waiting:
            return True
        self._arrived.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return False
        return True

    async def _absorb(self, batches: list[Batch]) -> None:
        records = [record for batch in batches for record in batch.records]
        position = batches[-1].end
        self._outbox.probe("consumed")
        self.clean = False
        begun = monotonic()
        output = await self._in_thread(lambda: self.absorber.absorb(records, position))
        await self._commit(output, position)
        self._meter.batch(len(records), monotonic() - begun)
        self.waiting_events -= len(records)
        self.waiting_bytes -= sum(batch.size for batch in batches)

    async def _idle(self) -> None:
        self.clean = False
        position, caught_up_ms = self.marker.position, self._caught_up_ms()
        output = await self._in_thread(lambda: self.absorber.idle(position, caught_up_ms))
        if output is not None:
            await self._commit(output, self.marker.position)
        self.clean = True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        """Run in a thread, so that one slow batch holds up neither heartbeats nor revocations."""
        running = asyncio.get_running_loop().run_in_executor(_ABSORBING, work)
        self._running = running
        try:
            return await asyncio.shield(running)
        except (RefusedToOpen, OSError, MemoryError):
            # A decision, the disk, and what only a new process mends: no defect of the job.
            raise
        except Exception as error:
            raise AbsorbFailed(f"{type(error).__name__}: {error}") from error

    def _caught_up_ms(self) -> int | None:
        """A moment up to which the broker has said that all there is has been absorbed."""
        seen = self._end_seen
        if seen is None or self._waiting or self.marker.position < seen.end:
            return None
        return seen.asked_after_ms if time() * 1000 - seen.answered_ms <= FRESH_MS else None

    async def _commit(self, output: Output, position: int) -> None:
        marker = Marker(
            topic_id=self.marker.topic_id,
            position=position,
            watermark=self.marker.watermark if output.watermark is None else output.watermark,
            counts=self.marker.counts.plus(output.counts),
            commits=self.marker.commits + 1,
            partitions=self.marker.partitions,
            stores=self.marker.stores,
            held=self.marker.held if output.held is None else output.held,
            version=STATE_VERSION,
        )
        begun = monotonic()
        await self._outbox.commit(self._messages(output, marker))
        self._meter.transaction(monotonic() - begun)
        self.marker = marker
        self.clean = True

    def _messages(self, output: Output, marker: Marker) -> list[tuple[str, int, list[Message]]]:
        prefix = self._topic_prefix
        return [
            # First, so that where anything is left open the marker is (see settling).
            (self._state_topic, self.partition, [(MARKER_KEY, encode(marker))]),
            *((prefix + name, self.partition, batch) for name, batch in output.messages.items()),
            *((prefix + name, partition, batch) for (name, partition), batch in output.routed.items()),
        ]


def _report(task: asyncio.Task[None], on_failure: Callable[[BaseException], None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        on_failure(error)
