"""This project: J0 and J1 as jobs on the exactly-once runner and its batch lane, J2 by the real processes.

Exactly once: each batch of a partition is one transaction of output, state and position.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from confluent_kafka import TopicCollection

from loopin_schemas.codec import decode, encode
from loopin_streams.kafka.batch import Record
from loopin_streams.kafka.job import Absorber, Job, Output
from loopin_streams.kafka.lane import LaneApp, lane_app
from loopin_streams.kafka.marker import Marker
from loopin_streams.kafka.runner import Runner
from loopin_streams.kafka.settings import KafkaSettings
from tests.bench.purchases import BACKLOG_LATENESS_MS, WINDOW_MS, Cell, Row, decode_event, purchase_of
from tests.bench.subject import Order, Progress, run, say
from tests.bench.topics import ADMIN_S, admin_of, create_topics

POLL_S = 0.01


class _Stateless:
    """An absorber with nothing to restore and nothing to say of itself."""

    def restore(self, topic: str, records: Sequence[Record]) -> None:
        """No history."""

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """No state but the marker."""

    def idle(self, position: int, caught_up_ms: int | None) -> Output | None:
        """Nothing."""
        return None

    def close(self) -> None:
        """Nothing to let go of."""


class _JobBase:
    """What the bench's jobs have in common."""

    history: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    def __init__(self, name: str, reads: str, opens: Callable[[int], Absorber]) -> None:
        self.name = name
        self.input = reads
        self.state_topic = f"{name}.state"
        self._opens = opens

    def open(self, partition: int, topic_id: str) -> Absorber:
        """The partition's empty state."""
        return self._opens(partition)


# J0: parse and count.


class Counting(_Stateless):
    """Decodes each record and counts it by name."""

    def __init__(self, progress: Progress) -> None:
        self.names: Counter[str] = Counter()
        self._progress = progress

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Count; the marker commits the position."""
        self._progress.begin()
        self.names.update([decode_event(record.value or b"").event for record in records])
        output = Output()
        output.counts.read = len(records)
        return output


def parse(order: Order) -> None:
    """J0."""
    progress = Progress(order.events)
    partitions: list[Counting] = []

    def opened(_: int) -> Counting:
        partitions.append(Counting(progress))
        return partitions[-1]

    job = _JobBase("parse", _short(order, order.topic), opened)

    async def until_done(runner: Runner) -> None:
        await _committed(runner, order.events)
        say("done", found=sum((counting.names for counting in partitions), Counter()))

    asyncio.run(_run(order, [job], until_done))


# J1: filter, and windows. One job keeps each partition's windows, a second one adds up their shares.


class Windows(_Stateless):
    """The open windows of one partition; a share goes to the sums once the partition's watermark passes."""

    def __init__(self, order: Order, partition: int, progress: Progress) -> None:
        self._partitions = order.partitions
        self._partition = partition
        self._progress = progress
        self._open: dict[bytes, Cell] = {}
        self._watermark = 0

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """Take the open windows back."""
        self._watermark = marker.watermark or 0
        self._open = {key: decode(value, Cell) for key, value in state.items()}

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Fold the records in, publish what has closed, and keep what has changed."""
        self._progress.begin()
        changed: set[bytes] = set()
        for record in records:
            event = decode_event(record.value or b"")
            purchase = purchase_of(event)
            if purchase is None:
                continue
            key = b"%b:%d" % (purchase.event.encode(), purchase.start)
            cell = self._open.get(key)
            if cell is None:
                cell = self._open[key] = Cell()
            cell.add(purchase)
            changed.add(key)
            if purchase.timestamp - BACKLOG_LATENESS_MS > self._watermark:
                self._watermark = purchase.timestamp - BACKLOG_LATENESS_MS
        output = Output(watermark=self._watermark)
        output.counts.read = len(records)
        for key in self._closed():
            self._publish(key, self._open.pop(key), output)
            changed.discard(key)
        for key in changed:
            output.add("windows.state", key, encode(self._open[key]))
        return output

    def _closed(self) -> list[bytes]:
        return [key for key in self._open if _start(key) + WINDOW_MS <= self._watermark]

    def _publish(self, key: bytes, cell: Cell, output: Output) -> None:
        share = Row(
            event=_event(key), start=_start(key), count=cell.count, sum=cell.sum, users=len(cell.users)
        )
        to = _start(key) // WINDOW_MS % self._partitions
        output.route("shares", to, b"%b:%d" % (key, self._partition), encode(share))
        output.add("windows.state", key, None)


class Sums(_Stateless):
    """Adds up the partitions' shares of each window: a user's events are all in one partition."""

    def __init__(self, out: str) -> None:
        self._out = out
        self._shares: dict[bytes, dict[bytes, Row]] = {}

    def opened(self, marker: Marker, state: Mapping[bytes, bytes]) -> None:
        """Take the shares back."""
        for key, value in state.items():
            self._take(key, value)

    def absorb(self, records: Sequence[Record], position: int) -> Output:
        """Publish the new sum of each window that a share came for."""
        output = Output()
        changed = {}
        for record in records:
            key, value = record.key or b"", record.value or b""
            changed[self._take(key, value)] = True
            output.add("sums.state", key, value)
        for window in changed:
            shares = self._shares[window].values()
            total = Row(
                event=_event(window),
                start=_start(window),
                count=sum(share.count for share in shares),
                sum=sum(share.sum for share in shares),
                users=sum(share.users for share in shares),
            )
            output.add(self._out, window, encode(total))
        return output

    def _take(self, key: bytes, value: bytes) -> bytes:
        window = key.rpartition(b":")[0]
        self._shares.setdefault(window, {})[key] = decode(value, Row)
        return window


def windows(order: Order) -> None:
    """J1."""
    progress, out = Progress(order.events), _short(order, order.out)
    jobs = [
        _JobBase("windows", _short(order, order.topic), lambda at: Windows(order, at, progress)),
        _JobBase("sums", "shares", lambda _: Sums(out)),
    ]

    async def until_done(runner: Runner) -> None:
        await _committed(runner, order.events)
        say("done")

    asyncio.run(_run(order, jobs, until_done, topics=("shares",)))


def whole(order: Order) -> None:
    """J2."""
    # Here, because it loads what J0 and J1 do not need, and their memory is measured.
    from tests.bench.stack import run_stack

    run_stack(order)


def _event(key: bytes) -> str:
    return key.partition(b":")[0].decode()


def _start(key: bytes) -> int:
    return int(key.split(b":")[1])


# What runs them.


async def _run(
    order: Order,
    jobs: Sequence[Job],
    until_done: Callable[[Runner], Awaitable[None]],
    topics: Sequence[str] = (),
) -> None:
    """Run jobs in this process until it is ended; ``until_done`` is given the first one's runner."""
    settings = KafkaSettings(
        kafka_bootstrap=order.bootstrap, topic_prefix=order.prefix, partitions=order.partitions
    )
    own = [settings.topic(name) for name in (*topics, *(job.state_topic for job in jobs))]
    create_topics(order.bootstrap, own, order.partitions)
    ids = _topic_ids(settings, [job.input for job in jobs])
    running: list[LaneApp] = []
    runners = [Runner(settings, job, ids[job.input], on_fatal=_end) for job in jobs]
    for runner in runners:
        app = lane_app(settings, runner)
        await app.start()
        running.append(app)
    await until_done(runners[0])
    await asyncio.Event().wait()


def _topic_ids(settings: KafkaSettings, names: Sequence[str]) -> dict[str, str]:
    """Kafka's ids of topics."""
    topics = TopicCollection([settings.topic(name) for name in names])
    # The client is kept until the answers are there.
    admin = admin_of(settings.kafka_bootstrap)
    described = admin.describe_topics(topics)
    return {name: str(described[settings.topic(name)].result(ADMIN_S).topic_id) for name in names}


async def _committed(runner: Runner, events: int) -> None:
    # The runner has no event for it: its markers are looked at, as its metrics do.
    while runner.counts().read < events:  # noqa: ASYNC110
        await asyncio.sleep(POLL_S)


def _end(error: BaseException) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
    os._exit(1)


def _short(order: Order, topic: str) -> str:
    return topic.removeprefix(order.prefix)


if __name__ == "__main__":
    run(
        {"J0": parse, "J1": windows, "J2": whole},
        ("faust-streaming", "aiokafka", "msgspec", "chdb"),
        says_ready=frozenset({"J2"}),
    )
