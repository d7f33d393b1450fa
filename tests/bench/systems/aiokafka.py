"""Plain aiokafka: a loop written by hand, at least once.

State lives in memory. J0 commits the position each second. J1 and J2 commit only up to the first event of
the oldest window that is still open, so that a restart reads every open window anew: at least once for what
is published, and no state topic. One process reads all partitions, so nothing has to be exchanged.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from loopin_schemas.codec import encode
from loopin_schemas.event import EnrichedEvent
from tests.bench.purchases import BACKLOG_LATENESS_MS, WINDOW_MS, Cell, Row, decode_event, purchase_of
from tests.bench.subject import Order, Progress, run

COMMIT_S = 1.0
MAX_RECORDS = 5000

C = TypeVar("C")
Series = tuple[str, str]


class OpenWindows(Generic[C]):
    """Windows by series and start, each with the offset of every partition's first event in it."""

    def __init__(self, empty: Callable[[], C], length_ms: int) -> None:
        self._empty = empty
        self._length_ms = length_ms
        self._cells: dict[tuple[Series, int], C] = {}
        self._first: dict[tuple[Series, int], dict[TopicPartition, int]] = {}
        self._position: dict[TopicPartition, int] = {}
        self._watermark = 0

    def read(self, at: TopicPartition, offset: int) -> None:
        """A record has been read."""
        self._position[at] = offset + 1

    def cell(self, at: TopicPartition, offset: int, series: Series, timestamp: int) -> C:
        """The window that an event of this time belongs to."""
        key = series, timestamp - timestamp % self._length_ms
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = self._empty()
            self._first[key] = {}
        self._first[key].setdefault(at, offset)
        self._watermark = max(self._watermark, timestamp - BACKLOG_LATENESS_MS)
        return cell

    def close(self) -> list[tuple[Series, int, C]]:
        """The windows that the watermark has passed; they are forgotten."""
        closed = [key for key in self._cells if key[1] + self._length_ms <= self._watermark]
        for key in closed:
            del self._first[key]
        return [(*key, self._cells.pop(key)) for key in closed]

    def safe(self) -> dict[TopicPartition, int]:
        """Where a restart would have to read from."""
        offsets = dict(self._position)
        for first in self._first.values():
            for at, offset in first.items():
                offsets[at] = min(offsets[at], offset)
        return offsets


def _consumer(order: Order) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        order.topic,
        bootstrap_servers=order.bootstrap,
        group_id=f"{order.prefix}aiokafka",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=4 << 20,
    )


def _producer(order: Order) -> AIOKafkaProducer:
    return AIOKafkaProducer(
        bootstrap_servers=order.bootstrap, enable_idempotence=True, compression_type="lz4", linger_ms=10
    )


async def _parse(order: Order) -> None:
    progress, names, committed = Progress(order.events), Counter[str](), monotonic()
    async with _consumer(order) as consumer:
        while True:
            for records in (await consumer.getmany(timeout_ms=100, max_records=MAX_RECORDS)).values():
                progress.begin()
                names.update([decode_event(record.value).event for record in records])
                progress.add(len(records), found=names)
            if monotonic() - committed >= COMMIT_S:
                await consumer.commit()
                committed = monotonic()


async def _windows(order: Order) -> None:
    progress, committed = Progress(order.events), monotonic()
    windows = OpenWindows(Cell, WINDOW_MS)
    async with _consumer(order) as consumer, _producer(order) as producer:
        while True:
            for at, records in (await consumer.getmany(timeout_ms=100, max_records=MAX_RECORDS)).items():
                progress.begin()
                for record in records:
                    windows.read(at, record.offset)
                    purchase = purchase_of(decode_event(record.value))
                    if purchase is not None:
                        windows.cell(at, record.offset, ("event", purchase.event), purchase.timestamp).add(
                            purchase
                        )
                progress.add(len(records))
            sent = [await producer.send(order.out, encode(_row(*closed))) for closed in windows.close()]
            if sent or monotonic() - committed >= COMMIT_S:
                await asyncio.gather(*sent)
                if offsets := windows.safe():
                    await consumer.commit(offsets)
                committed = monotonic()


def _row(series: Series, start: int, cell: Cell) -> Row:
    return Row(event=series[1], start=start, count=cell.count, sum=cell.sum, users=len(cell.users))


async def _whole(order: Order) -> None:
    # Here, because they load what J0 and J1 do not need, and their memory is measured.
    from tests.bench import whole
    from tests.bench.clickhouse import FLUSH_S, MAX_ROWS, Store

    progress, flushed = Progress(3 * order.kept), monotonic()
    store = Store(order, progress)
    minutes = OpenWindows(whole.Cell, whole.WINDOW_MS)
    rows: list[EnrichedEvent] = []
    async with _consumer(order) as consumer, _producer(order) as producer:
        while True:
            for at, records in (await consumer.getmany(timeout_ms=100, max_records=MAX_RECORDS)).items():
                progress.begin()
                for record in records:
                    minutes.read(at, record.offset)
                    event = whole.enrich(record.value, record.timestamp)
                    if event is None:
                        await producer.send(order.out, record.value)
                        continue
                    rows.append(event)
                    measured = whole.measure(event)
                    for series in measured.series:
                        minutes.cell(at, record.offset, series, measured.timestamp).add(measured)
                        progress.add()
            if rows and (len(rows) >= MAX_ROWS or monotonic() - flushed >= FLUSH_S):
                await producer.flush()
                store.add_events(rows)
                store.add_windows(
                    [
                        whole.window_row(dimension, value, start, cell)
                        for (dimension, value), start, cell in minutes.close()
                    ]
                )
                await consumer.commit(minutes.safe())
                rows, flushed = [], monotonic()


def parse(order: Order) -> None:
    """J0."""
    asyncio.run(_parse(order))


def windows(order: Order) -> None:
    """J1."""
    asyncio.run(_windows(order))


def whole(order: Order) -> None:
    """J2."""
    asyncio.run(_whole(order))


if __name__ == "__main__":
    run({"J0": parse, "J1": windows, "J2": whole}, ("aiokafka", "msgspec", "chdb"))
