"""One open partition on a fake outbox: what is gathered, committed, refused, and how much may wait."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from loopin_schemas.codec import decode
from loopin_streams.kafka import partition as partition_module
from loopin_streams.kafka.batch import Batch, Record
from loopin_streams.kafka.errors import Fenced
from loopin_streams.kafka.job import Message, Output
from loopin_streams.kafka.marker import Marker
from loopin_streams.kafka.outbox import Outbox, Probe, no_probe
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
    """An absorber that lets every record through, and remembers the batches it saw.

    ``said`` is what it says when it is idle, the first one first; ``asked`` what it was told then.
    """

    def __init__(self) -> None:
        self.absorbed: list[list[int]] = []
        self.positions: list[int] = []
        self.asked: list[tuple[int, int | None]] = []
        self.said: list[Output] = []
        self.at_work = threading.Event()
        self.may_end = threading.Event()
        self.may_end.set()
        self.ended = 0

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        raise AssertionError("a partition that is open is restored already")

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        raise AssertionError("a partition that is open is restored already")

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        self.at_work.set()
        assert self.may_end.wait(60)
        self.absorbed.append([record.offset for record in records])
        self.positions.append(position)
        output = Output()
        output.counts.read = output.counts.passed = len(records)
        for record in records:
            output.add("out", None, record.value or b"")
        self.ended += 1
        return output

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        self.at_work.set()
        assert self.may_end.wait(60)
        self.asked.append((position, caught_up_ms))
        self.ended += 1
        return self.said.pop(0) if self.said else None

    def close(self) -> None:
        raise AssertionError("whether the state is kept is the runner's to say")


@dataclass
class FakeOutbox(Outbox):
    """Takes transactions while ``free`` is set."""

    error: Exception | None = None
    probe: Probe = no_probe
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
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline
            # The absorber works in a thread.
            await asyncio.sleep(0.001)


@asynccontextmanager
async def opened(limits: Limits, *, free: bool = True, **marker: Any) -> AsyncIterator[Opened]:
    echo, outbox, failures = Echo(), FakeOutbox(), list[BaseException]()
    target = OpenPartition(
        1,
        echo,
        Marker(topic_id=TOPIC_ID, position=10, **marker),
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


def written(sent: Sent) -> Marker:
    """The marker in a transaction, where it comes first."""
    topic, partition, [(key, value)] = sent[0]
    assert (topic, partition, key) == ("p.state", 1, b"m")
    return decode(value or b"", Marker)


SOON = Limits(linger_s=0, idle_s=60)
IDLE = Limits(linger_s=0, idle_s=0.001)


async def test_a_marker_says_of_which_version_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_module, "STATE_VERSION", 2)
    async with opened(SOON) as found:
        found.target.submit(batch(10, 13))
        await found.until(lambda: found.outbox.committed)
    assert written(found.outbox.committed[0]).version == 2


async def test_output_and_marker_go_out_together() -> None:
    async with opened(SOON) as found:
        found.target.submit(batch(10, 13))
        await found.until(lambda: found.outbox.committed)
        [sent] = found.outbox.committed
    assert [(topic, partition) for topic, partition, _ in sent] == [("p.state", 1), ("p.out", 1)]
    marker = written(sent)
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


async def test_records_for_other_partitions_and_removals_go_out_with_the_rest() -> None:
    async with opened(IDLE) as found:
        output = Output()
        output.add("out", b"gone", None)
        output.route("in", 7, b"k", b"moved")
        output.route("windows", 0, b"1", b"share")
        found.echo.said.append(output)
        await found.until(lambda: found.outbox.committed)
    [sent] = found.outbox.committed
    assert sent[1:] == [
        ("p.out", 1, [(b"gone", None)]),
        ("p.in", 7, [(b"k", b"moved")]),
        ("p.windows", 0, [(b"1", b"share")]),
    ]
    assert written(sent).position == 10


async def test_a_marker_keeps_what_an_output_does_not_change() -> None:
    kept: dict[str, Any] = {"watermark": 5, "held": 3, "partitions": 2, "stores": {"state": TOPIC_ID}}
    async with opened(SOON, **kept) as found:
        found.target.submit(batch(10, 12))
        await found.until(lambda: found.target.durable == 12)
    marker = written(found.outbox.committed[0])
    assert (marker.watermark, marker.held, marker.partitions, marker.stores) == tuple(kept.values())
    assert marker == found.target.marker


# Idle.


def now_ms() -> int:
    return int(time.time() * 1000)


async def test_without_input_the_job_is_asked_and_silence_costs_no_transaction() -> None:
    async with opened(IDLE) as found:
        await found.until(lambda: len(found.echo.asked) >= 3)
        assert found.outbox.committed == []
        await found.until(lambda: found.target.clean)
    assert set(found.echo.asked) == {(10, None)}


async def test_what_an_idle_job_says_is_committed_where_the_partition_stands() -> None:
    async with opened(IDLE, watermark=5) as found:
        found.target.submit(batch(10, 13))
        await found.until(lambda: found.target.durable == 13)
        found.echo.said += [Output(watermark=8, held=2), Output()]
        await found.until(lambda: len(found.outbox.committed) == 3)
    markers = [written(sent) for sent in found.outbox.committed]
    assert [(m.position, m.watermark, m.held, m.counts.read) for m in markers] == [
        (13, 5, None, 3),
        (13, 8, 2, 3),
        (13, 8, 2, 3),
    ]
    assert found.target.marker == markers[-1]


async def test_a_batch_is_absorbed_at_once_and_the_job_is_not_asked_before() -> None:
    async with opened(SOON) as found:
        found.target.submit(batch(10, 13))
        await found.until(lambda: found.target.durable == 13)
        assert found.echo.asked == []
        assert found.echo.positions == [13]


async def test_an_idle_job_that_fails_is_reported() -> None:
    async with opened(IDLE) as found:
        found.outbox.error = Fenced("another worker has taken over: x")
        found.echo.said.append(Output(watermark=8))
        await found.until(lambda: found.failures)
        assert (found.target.clean, found.target.marker.watermark) == (False, None)
    assert found.failures == [found.outbox.error]


# The log's end.


@pytest.fixture
def heard_of_lately(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer of the broker grows old while a test runs."""
    monkeypatch.setattr(partition_module, "FRESH_MS", 600_000)


async def caught_up(found: Opened) -> int | None:
    """What the job is told next."""
    found.echo.asked.clear()
    await found.until(lambda: found.echo.asked)
    return found.echo.asked[0][1]


@pytest.mark.usefixtures("heard_of_lately")
async def test_the_end_is_sure_up_to_the_answer_before_the_last() -> None:
    async with opened(IDLE) as found:
        first, second, third = now_ms() - 900, now_ms() - 400, now_ms()
        assert await caught_up(found) is None
        found.target.at_end(10, first)
        assert await caught_up(found) is None, "when that was asked nobody knows"
        for _ in range(3):
            found.target.at_end(10, second)
            assert await caught_up(found) == first
        found.target.at_end(10, third)
        assert await caught_up(found) == second


@pytest.mark.usefixtures("heard_of_lately")
async def test_an_answer_that_was_read_hours_after_it_was_given_says_nothing_of_these_hours() -> None:
    async with opened(IDLE) as found:
        before = now_ms() - 2 * 3_600_000
        found.target.at_end(10, before)
        # The process stood still meanwhile; the answer was given before.
        found.target.at_end(10, now_ms())
        assert await caught_up(found) == before


async def test_a_broker_that_has_been_silent_may_have_got_more() -> None:
    async with opened(IDLE) as found:
        found.target.at_end(10, now_ms() - 7000)
        found.target.at_end(10, now_ms() - 6000)
        assert await caught_up(found) is None


@pytest.mark.usefixtures("heard_of_lately")
async def test_while_records_wait_or_are_under_way_the_end_is_not_reached() -> None:
    async with opened(IDLE) as found:
        found.target.at_end(12, now_ms() - 500)
        found.target.at_end(12, now_ms())
        assert await caught_up(found) is None, "two are fetched but not handed over yet"
        found.outbox.free.clear()
        found.target.submit(batch(10, 12))
        await found.outbox.begun.wait()
        found.echo.asked.clear()
        found.outbox.free.set()
        await found.until(lambda: found.target.durable == 12)
        assert await caught_up(found) is not None


# Closing while a thread is at work.


@pytest.mark.parametrize("limits", [SOON, IDLE], ids=["absorbing", "idle"])
async def test_closing_waits_for_the_thread_that_uses_the_state(limits: Limits) -> None:
    async with opened(limits) as found:
        found.echo.may_end.clear()
        found.echo.at_work.clear()
        if limits is SOON:
            found.target.submit(batch(10, 12))
        await found.until(found.echo.at_work.is_set)
        before = found.echo.ended
        closing = asyncio.create_task(found.target.close())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not closing.done()
        found.echo.may_end.set()
        await closing
        assert found.echo.ended == before + 1
        assert found.outbox.committed == []
        assert (found.target.clean, found.target.durable) == (False, 10)
        assert found.outbox.ends == ["abort", "stop"]
