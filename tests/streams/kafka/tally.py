"""A job that only counts, and a runner in this process that works on it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loopin_streams.kafka.batch import Batch, Record
from loopin_streams.kafka.job import Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.kafka.partition import OpenPartition
from loopin_streams.kafka.runner import Runner


class Tally:
    """An absorber that only counts; ``at_opening`` is how many records it was restored from."""

    def __init__(self) -> None:
        self.at_opening = 0
        self.marker: Marker | None = None
        self.state: dict[bytes, bytes] = {}
        self.closed = False
        self.idling: bytes | None = None

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        assert (topic, self.marker) == ("seen", None)
        self.at_opening += len(records)

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        self.marker, self.state = marker, dict(state)

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        assert not self.closed
        output = Output()
        output.counts.read = len(records)
        output.add("seen", None, b"\0" * 8 * len(records))
        output.add("enrich.state", b"at", b"%d" % position)
        return output

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        if self.idling is None:
            return None
        output = Output()
        output.add("enrich.state", b"idle", self.idling)
        self.idling = None
        return output

    def close(self) -> None:
        assert not self.closed
        self.closed = True


class TallyJob:
    """A job whose state is how many records its history has."""

    name = "tally"
    input = "events.raw"
    state_topic = "enrich.state"
    history = ("seen",)
    outputs = ("events.enriched",)

    def __init__(self) -> None:
        self.made: list[Tally] = []

    def open(self, partition: int, topic_id: str) -> Tally:
        self.made.append(Tally())
        return self.made[-1]


@dataclass
class Held:
    """A runner in this process that owns partition 0."""

    runner: Runner
    job: TallyJob
    failures: list[BaseException]

    async def open(self) -> OpenPartition:
        self.runner.assign([0])
        return await self.found()

    async def found(self) -> OpenPartition:
        async with asyncio.timeout(60):
            while (target := self.runner.partition(0)) is None:
                assert not self.failures
                await asyncio.sleep(0.01)
        return target

    async def absorb(self, start: int, end: int) -> None:
        """Commit a range without records."""
        target = await self.found()
        target.submit(Batch(self.runner.topic, 0, start, end, ()))
        deadline = time.monotonic() + 60
        while target.durable < end and not self.failures:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)


Hold = Callable[[], Held]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        # The runner has no event for it.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
