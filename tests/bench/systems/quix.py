"""Quix Streams at its defaults: at least once, offsets and state committed together every 5 s.

J0 decodes with the same msgspec decoder, as the topic's deserializer. J1 re-keys with ``group_by``, which
goes through a repartition topic, and uses tumbling windows with their state in RocksDB and a changelog
topic: that is how Quix counts over users that lie in several partitions. J2 does so once for each dimension
and writes rows with a ``BatchingSink``, at every checkpoint.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
from quixstreams import Application
from quixstreams.dataframe.windows import Collect, Count, Sum
from quixstreams.models import Deserializer
from quixstreams.sinks import BatchingSink, SinkBatch

from loopin_schemas.event import EnrichedEvent, Event
from tests.bench.purchases import BACKLOG_LATENESS_MS, WINDOW_MS, decode_event, purchase_of
from tests.bench.subject import Order, Progress, run


class EventDeserializer(Deserializer):
    """Bytes to an ``Event``."""

    def __call__(self, value: bytes, ctx: Any) -> Event:
        return decode_event(value)


def _application(order: Order) -> Application:
    return Application(
        broker_address=order.bootstrap,
        consumer_group=f"{order.prefix}quix",
        auto_offset_reset="earliest",
        state_dir=f"{order.folder}/state",
        loglevel="WARNING",
    )


def _time_of(value: Event, headers: Any, timestamp: int, kind: Any) -> int:
    return value.timestamp if isinstance(value.timestamp, int) else timestamp


def parse(order: Order) -> None:
    """J0."""
    app, progress, names = _application(order), Progress(order.events), Counter[str]()

    def count(event: Event) -> None:
        progress.begin()
        names[event.event] += 1
        progress.add(found=names)

    frame = app.dataframe(app.topic(order.topic, value_deserializer=EventDeserializer()))
    frame.update(count)
    app.run()


def windows(order: Order) -> None:
    """J1."""
    app, progress = _application(order), Progress(order.kept)

    def purchase(event: Event) -> dict[str, Any] | None:
        progress.begin()
        found = purchase_of(event)
        return None if found is None else found._asdict()

    topic = app.topic(order.topic, value_deserializer=EventDeserializer(), timestamp_extractor=_time_of)
    frame = app.dataframe(topic).apply(purchase).filter(lambda found: found is not None)
    frame = frame.group_by("event")
    frame = frame.tumbling_window(
        timedelta(milliseconds=WINDOW_MS), timedelta(milliseconds=BACKLOG_LATENESS_MS)
    )
    frame = frame.agg(count=_Counted(progress), sum=Sum("amount"), users=Collect("distinct_id")).final()
    frame = frame.apply(_row, metadata=True)
    frame.to_topic(app.topic(order.out, value_serializer="json"))
    app.run()


class _Counted(Count):
    """A count that also tells the bench when the last event has reached its window."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def agg(self, old: int, new: Any, timestamp: int) -> int:
        self._progress.add()
        return old + 1


def _row(window: dict[str, Any], key: str, timestamp: int, headers: Any) -> dict[str, Any]:
    return {
        "event": key,
        "start": window["start"],
        "count": window["count"],
        "sum": window["sum"],
        "users": len(set(window["users"])),
    }


def whole(order: Order) -> None:
    """J2."""
    # Here, because they load what J0 and J1 do not need, and their memory is measured.
    from tests.bench.clickhouse import Store
    from tests.bench.whole import WINDOW_MS as MINUTE_MS
    from tests.bench.whole import WindowRow, enrich, measure

    app, progress = _application(order), Progress(3 * order.kept)
    store = Store(order, progress)

    class EventsSink(BatchingSink):
        def write(self, batch: SinkBatch) -> None:
            store.add_events([item.value for item in batch])

    class WindowsSink(BatchingSink):
        def write(self, batch: SinkBatch) -> None:
            store.add_windows([item.value for item in batch])

    def enriched(body: bytes, key: Any, timestamp: int, headers: Any) -> EnrichedEvent | bytes:
        progress.begin()
        return enrich(body, timestamp) or body

    def measured(event: EnrichedEvent) -> dict[str, Any]:
        return msgspec.structs.asdict(measure(event))

    def window_row(dimension: str) -> Callable[..., WindowRow]:
        def row(window: dict[str, Any], key: str, timestamp: int, headers: Any) -> WindowRow:
            return WindowRow(
                dimension=dimension,
                value=key,
                start=window["start"],
                count=window["count"],
                revenue=window["revenue"],
                scored=window["scored"],
                mood=window["mood"],
                users=len(set(window["users"])),
            )

        return row

    frame = app.dataframe(app.topic(order.topic, value_deserializer="bytes")).apply(enriched, metadata=True)
    frame.filter(lambda found: isinstance(found, bytes)).to_topic(
        app.topic(order.out, value_serializer="bytes")
    )
    events = frame.filter(lambda found: not isinstance(found, bytes))
    events.sink(EventsSink())
    measures = events.apply(measured)
    for dimension in ("event", "country"):
        keyed = measures.group_by(dimension).set_timestamp(lambda value, *_: value["timestamp"])
        (
            keyed.tumbling_window(
                timedelta(milliseconds=MINUTE_MS), timedelta(milliseconds=BACKLOG_LATENESS_MS)
            )
            .agg(
                count=_Counted(progress),
                revenue=Sum("revenue"),
                scored=Count("sentiment"),
                mood=Sum("sentiment"),
                users=Collect("distinct_id"),
            )
            .final()
            .apply(window_row(dimension), metadata=True)
            .sink(WindowsSink())
        )
    app.run()


if __name__ == "__main__":
    run({"J0": parse, "J1": windows, "J2": whole}, ("quixstreams", "confluent-kafka", "msgspec", "chdb"))
