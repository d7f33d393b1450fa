"""Bytewax, with recovery on: state snapshots in SQLite every 10 s (its default), at least once for outputs.

Its Kafka source hands over batches of 1,000 (its default); J0 decodes them with the same msgspec decoder, a
batch at a time. J1 and J2 exchange by key inside the process and fold with its event-time windows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import bytewax.operators.windowing as win
from bytewax._bytewax import cli_main
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators.windowing import EventClock, TumblingWindower
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig, init_db_dir

from loopin_schemas.codec import encode
from loopin_schemas.event import EnrichedEvent
from tests.bench.purchases import (
    BACKLOG_LATENESS_MS,
    WINDOW_MS,
    Cell,
    Purchase,
    Row,
    decode_event,
    purchase_of,
)
from tests.bench.subject import Order, Progress, run

MAX_COLLECTED = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _NoPartition(StatelessSinkPartition):
    def write_batch(self, items: list[Any]) -> None:
        """Nothing goes on."""


class Nothing(DynamicSink):
    """Every dataflow has to end in a sink."""

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _NoPartition:
        """One for each worker."""
        return _NoPartition()


def parse(order: Order) -> None:
    """J0."""
    progress, names = Progress(order.events), Counter[str]()

    def count(batch: list[Any]) -> Iterable[Any]:
        progress.begin()
        names.update([decode_event(message.value).event for message in batch])
        progress.add(len(batch), found=names)
        return ()

    flow = Dataflow("parse")
    records = op.input("read", flow, KafkaSource([order.bootstrap], [order.topic]))
    op.output("end", op.flat_map_batch("count", records, count), Nothing())
    _run(flow, order)


def windows(order: Order) -> None:
    """J1."""
    progress = Progress(order.kept)

    def purchases(batch: list[Any]) -> Iterable[Purchase]:
        progress.begin()
        found = [purchase_of(decode_event(message.value)) for message in batch]
        return [purchase for purchase in found if purchase is not None]

    def fold(cell: Cell, purchase: Purchase) -> Cell:
        cell.add(purchase)
        progress.add()
        return cell

    def row(keyed: tuple[str, tuple[int, Cell]]) -> KafkaSinkMessage[None, bytes]:
        event, (number, cell) = keyed
        found = Row(
            event=event, start=number * WINDOW_MS, count=cell.count, sum=cell.sum, users=len(cell.users)
        )
        return KafkaSinkMessage(None, encode(found))

    flow = Dataflow("windows")
    records = op.input("read", flow, KafkaSource([order.bootstrap], [order.topic]))
    kept = op.flat_map_batch("filter", records, purchases)
    keyed = op.key_on("by_event", kept, lambda purchase: purchase.event)
    clock = EventClock(_time_of, timedelta(milliseconds=BACKLOG_LATENESS_MS))
    windower = TumblingWindower(length=timedelta(milliseconds=WINDOW_MS), align_to=EPOCH)
    folded = win.fold_window("fold", keyed, clock, windower, Cell, fold, _merged, ordered=False)
    op.output("write", op.map("row", folded.down, row), KafkaSink([order.bootstrap], order.out))
    _run(flow, order)


def whole(order: Order) -> None:
    """J2."""
    # Here, because they load what J0 and J1 do not need, and their memory is measured.
    from tests.bench.clickhouse import FLUSH_S, Store
    from tests.bench.whole import WINDOW_MS as MINUTE_MS
    from tests.bench.whole import Cell as Minute
    from tests.bench.whole import Measure, WindowRow, enrich, measure, window_row

    progress = Progress(3 * order.kept)
    store = Store(order, progress)

    def enriched(batch: list[Any]) -> Iterable[EnrichedEvent | bytes]:
        progress.begin()
        return [enrich(message.value, message.timestamp[1]) or message.value for message in batch]

    def measures(batch: list[EnrichedEvent]) -> Iterable[tuple[str, Measure]]:
        found = [measure(event) for event in batch]
        return [(":".join(series), measured) for measured in found for series in measured.series]

    def fold(minute: Minute, measured: Measure) -> Minute:
        minute.add(measured)
        progress.add()
        return minute

    def merged(left: Minute, right: Minute) -> Minute:
        return Minute(
            left.count + right.count,
            left.revenue + right.revenue,
            left.scored + right.scored,
            left.mood + right.mood,
            left.users | right.users,
        )

    def row(keyed: tuple[str, tuple[int, Minute]]) -> WindowRow:
        series, (number, minute) = keyed
        dimension, _, value = series.partition(":")
        return window_row(dimension, value, number * MINUTE_MS, minute)

    def in_batches(name: str, stream: Any) -> Any:
        keyed = op.key_on(f"{name}_together", stream, lambda _: name)
        return op.collect(name, keyed, timedelta(seconds=FLUSH_S), MAX_COLLECTED)

    flow = Dataflow("whole")
    records = op.input("read", flow, KafkaSource([order.bootstrap], [order.topic]))
    valid = op.branch(
        "valid", op.flat_map_batch("enrich", records, enriched), lambda e: not isinstance(e, bytes)
    )
    letters = op.map("letter", valid.falses, lambda body: KafkaSinkMessage(None, body))
    op.output("dead_letters", letters, KafkaSink([order.bootstrap], order.out))
    op.output("events", in_batches("rows", valid.trues), Writing(store.add_events))
    keyed = op.flat_map_batch("measure", valid.trues, measures)
    clock = EventClock(_measure_time, timedelta(milliseconds=BACKLOG_LATENESS_MS))
    windower = TumblingWindower(length=timedelta(milliseconds=MINUTE_MS), align_to=EPOCH)
    folded = win.fold_window("fold", keyed, clock, windower, Minute, fold, merged, ordered=False)
    op.output("windows", in_batches("minutes", op.map("row", folded.down, row)), Writing(store.add_windows))
    _run(flow, order)


class _WritingPartition(StatelessSinkPartition):
    def __init__(self, write: Callable[[list[Any]], None]) -> None:
        self._write = write

    def write_batch(self, items: list[tuple[str, list[Any]]]) -> None:
        """Write each collected list."""
        for _, collected in items:
            self._write(collected)


class Writing(DynamicSink):
    """Hands collected lists to a function."""

    def __init__(self, write: Callable[[list[Any]], None]) -> None:
        self._write = write

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _WritingPartition:
        """One for each worker."""
        return _WritingPartition(self._write)


def _measure_time(measured: Any) -> datetime:
    return EPOCH + timedelta(milliseconds=measured.timestamp)


def _time_of(purchase: Purchase) -> datetime:
    return EPOCH + timedelta(milliseconds=purchase.timestamp)


def _merged(left: Cell, right: Cell) -> Cell:
    return Cell(left.count + right.count, left.sum + right.sum, left.users | right.users)


def _run(flow: Dataflow, order: Order) -> None:
    folder = Path(order.folder) / "recovery"
    folder.mkdir()
    init_db_dir(folder, 1)
    cli_main(flow, recovery_config=RecoveryConfig(folder), epoch_interval=timedelta(seconds=10))


if __name__ == "__main__":
    run({"J0": parse, "J1": windows, "J2": whole}, ("bytewax", "confluent-kafka", "msgspec", "chdb"))
