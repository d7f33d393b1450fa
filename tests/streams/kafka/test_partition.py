"""One open partition on a fake outbox: what is gathered, committed, refused, and how much may wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from loopin_schemas.codec import decode
from loopin_streams.kafka.batch import Batch, Record
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.job import Message, Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.kafka.outbox import Outbox
from loopin_streams.kafka.partition import Limits, OpenPartition

TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

Sent = list[tuple[str, int, list[Message]]]


@dataclass
class SizedRecord:
    offset: int
    value: bytes | None = b"x"
    timestamp: int = 0
    key: bytes | None = None


class Echo:
    """An absorber that lets every record through, and remembers the batches it saw."""

    def __init__(self) -> None:
        self.absorbed: list[list[int]] = []

    def absorb(self, records: Sequence[Record]) -> Output:
        self.absorbed.append([record.offset for record in records])
        output = Output()
        output.counts.read = output.counts.passed = len(records)
        for record in records:
            output.add("out", None, record.value or b"")
        return output


@dataclass
class FakeOutbox(Outbox):
    """Takes transactions while ``free`` is set."""

    error: Exception | None = None
    committed: list[Sent] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ends: list[str] = field(default_factory=list)

    async def commit(self, messages: Iterable[tuple[str, int, list[Message]]]) -> None:
        self.begun.set()
        await self.free.wait()
        if self.error is not None:
            raise self.error
        self.committed.append(list(messages))

    async def abort(self) -> None:
        self.ends.append("abort")

    async def stop(self) -> None:
        self.ends.append("stop")


@dataclass
class Opened:
    target: OpenPartition
    echo: Echo
    outbox: FakeOutbox
    failures: list[BaseException]

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline
            await asyncio.sleep(0)


@asynccontextmanager
async def opened(limits: Limits, *, position: int = 10, free: bool = True) -> AsyncIterator[Opened]:
    echo, outbox, failures = Echo(), FakeOutbox(), list[BaseException]()
    target = OpenPartition(
        1,
        echo,
        Marker(topic_id=TOPIC_ID, position=position),
        outbox,
        state_topic="p.state",
        topic_prefix="p.",
        limits=limits,
    )
    if free:
        outbox.free.set()
    target.start(failures.append)
    yield Opened(target, echo, outbox, failures)
    await target.close()


def batch(start: int, end: int, *, size: int = 1) -> Batch:
    return Batch("p.in", 1, start, end, [SizedRecord(offset, b"x" * size) for offset in range(start, end)])


SOON = Limits(linger_s=0)


async def test_output_and_marker_go_out_together() -> None:
    async with opened(SOON) as found:
        found.target.submit(batch(10, 13))
        await found.until(lambda: found.outbox.committed)
        [sent] = found.outbox.committed
    assert [(topic, partition) for topic, partition, _ in sent] == [("p.out", 1), ("p.state", 1)]
    [(key, value)] = sent[1][2]
    marker = decode(value, Marker)
    assert key == b"m"
    assert (marker.topic_id, marker.position, marker.counts.read) == (TOPIC_ID, 13, 3)
    assert (found.target.durable, found.target.clean, found.target.waiting_events) == (13, True, 0)


async def test_counts_go_on_from_the_marker() -> None:
    async with opened(SOON) as found:
        found.target.submit(batch(10, 13))
        await found.until(lambda: found.target.durable == 13)
        found.target.submit(batch(13, 16))
        await found.until(lambda: found.target.durable == 16)
    assert found.target.marker.counts.read == 6


async def test_a_range_without_records_moves_the_marker() -> None:
    async with opened(SOON) as found:
        found.target.submit(Batch("p.in", 1, 10, 12, ()))
        await found.until(lambda: found.target.durable == 12)
    assert [topic for topic, _, _ in found.outbox.committed[0]] == ["p.state"]


@pytest.mark.parametrize("start", [9, 11, 0])
async def test_a_batch_that_does_not_follow_is_fetched_anew(start: int) -> None:
    async with opened(SOON) as found:
        found.target.fetched = start + 5
        found.target.submit(batch(start, start + 5))
        assert (found.target.fetched, found.target.delivered) == (10, 10)
        assert found.target.waiting_events == 0


async def test_what_waits_is_gathered_into_one_transaction() -> None:
    async with opened(SOON, free=False) as found:
        found.target.submit(batch(10, 11))
        await found.outbox.begun.wait()
        for start in (11, 12, 13):
            found.target.submit(batch(start, start + 1))
        found.outbox.free.set()
        await found.until(lambda: found.target.durable == 14)
    assert found.echo.absorbed == [[10], [11, 12, 13]]


async def test_a_full_transaction_does_not_linger() -> None:
    async with opened(Limits(linger_s=60, max_events=3)) as found:
        found.target.submit(batch(10, 17))
        await found.until(lambda: found.target.durable == 16)
        assert found.echo.absorbed == [[10, 11, 12], [13, 14, 15]]
        assert found.target.waiting_events == 1


async def test_bytes_fill_a_transaction_too() -> None:
    async with opened(Limits(linger_s=60, max_bytes=250)) as found:
        found.target.submit(batch(10, 15, size=100))
        await found.until(lambda: found.target.durable == 14)
        assert found.echo.absorbed == [[10, 11], [12, 13]]


async def test_a_record_larger_than_the_limit_goes_alone() -> None:
    async with opened(Limits(linger_s=60, max_bytes=250)) as found:
        found.target.submit(batch(10, 12, size=300))
        await found.until(lambda: found.target.durable == 12)
        assert found.echo.absorbed == [[10], [11]]


async def test_too_many_waiting_events_stop_the_fetching() -> None:
    async with opened(Limits(linger_s=0, max_waiting_events=4), free=False) as found:
        found.target.submit(batch(10, 13))
        assert not found.target.full
        found.target.submit(batch(13, 14))
        assert found.target.full
        found.outbox.free.set()
        await found.until(lambda: found.target.durable == 14)
        assert not found.target.full


async def test_too_many_waiting_bytes_stop_the_fetching() -> None:
    async with opened(Limits(linger_s=0, max_bytes=100, max_waiting_bytes=1000), free=False) as found:
        found.target.submit(batch(10, 11, size=900))
        assert not found.target.full
        found.target.submit(batch(11, 12, size=100))
        assert found.target.full
        found.outbox.free.set()
        await found.until(lambda: found.target.durable == 12)
        assert not found.target.full


async def test_a_failed_commit_is_reported_and_nothing_more_is_done() -> None:
    async with opened(SOON) as found:
        found.outbox.error = Fenced("another worker has taken over: x")
        found.target.submit(batch(10, 12))
        await found.until(lambda: found.failures)
        found.target.submit(batch(12, 14))
        await asyncio.sleep(0)
    assert found.failures == [found.outbox.error]
    assert (found.target.durable, found.target.clean) == (10, False)
    assert found.echo.absorbed == [[10, 11]]


async def test_closing_in_mid_commit_aborts_and_leaves_the_state_marked_as_ahead() -> None:
    async with opened(SOON, free=False) as found:
        found.target.submit(batch(10, 12))
        await found.outbox.begun.wait()
        await found.target.close()
        found.target.submit(batch(12, 14))
        assert found.outbox.ends == ["abort", "stop"]
        assert (found.target.durable, found.target.clean) == (10, False)
        assert (found.target.delivered, found.failures) == (12, [])


async def test_closing_between_commits_leaves_the_state_at_the_marker() -> None:
    async with opened(Limits(linger_s=60)) as found:
        found.target.submit(batch(10, 12))
        await asyncio.sleep(0)
        await found.target.close()
        assert found.echo.absorbed == []
        assert (found.target.durable, found.target.clean) == (10, True)
