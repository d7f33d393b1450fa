"""Faust as it comes: agents, ``group_by`` and tables in memory with changelog topics, at least once.

J0 decodes with the same msgspec decoder, as the topic's codec. J1 re-keys with ``group_by`` and keeps windows
in plain tables under (name, window start), since Faust's windowed tables expire by wall clock; distinct
users are keys of a second table. A timer publishes what has changed each second, as a later row of a window
replaces an earlier one. J2 takes batches for the rows, and sends each event on to a second agent under each
of its dimensions.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import faust
from faust.serializers.codecs import Codec, register

from loopin_schemas.codec import encode
from loopin_schemas.event import Event
from tests.bench.purchases import NAMES, decode_event, purchase_of
from tests.bench.subject import Order, Progress, run
from tests.bench.topics import create_topics

TAKEN = 10_000
"""Most events that ``take`` gathers."""


class EventCodec(Codec):
    """Bytes to an ``Event`` and back."""

    def _loads(self, body: bytes) -> Event:
        return decode_event(body)

    def _dumps(self, event: Event) -> bytes:
        return encode(event)


def _application(order: Order, name: str) -> faust.App:
    register("event", EventCodec())
    return faust.App(
        f"{order.prefix}{name}",
        broker=f"kafka://{order.bootstrap}",
        store="memory://",
        datadir=order.folder,
        topic_partitions=order.partitions,
        topic_replication_factor=1,
        autodiscover=False,
        web_enabled=False,
    )


def parse(order: Order) -> None:
    """J0."""
    app, progress, names = _application(order, "faust"), Progress(order.events), Counter[str]()
    topic = app.topic(order.topic, value_serializer="event")

    @app.agent(topic)
    async def count(events: Any) -> None:
        async for event in events:
            progress.begin()
            names[event.event] += 1
            progress.add(found=names)

    _run(app)


def windows(order: Order) -> None:
    """J1."""
    app, progress = _application(order, "faust"), Progress(order.kept)
    topic = app.topic(order.topic, value_serializer="event")
    out = app.topic(order.out, value_serializer="json")
    rows = app.Table("rows", default=dict, partitions=order.partitions)
    seen = app.Table("seen", default=bool, partitions=order.partitions)
    changed: set[str] = set()

    def counts(event: Event) -> bool:
        progress.begin()
        return event.event in NAMES

    @app.agent(topic)
    async def aggregate(events: Any) -> None:
        async for event in events.filter(counts).group_by(lambda event: event.event, name="event"):
            purchase = purchase_of(event)
            assert purchase is not None
            key = f"{purchase.event}:{purchase.start}"
            row = rows[key] or {
                "event": purchase.event,
                "start": purchase.start,
                "count": 0,
                "sum": 0.0,
                "users": 0,
            }
            user = f"{key}:{purchase.distinct_id}"
            if not seen[user]:
                seen[user] = True
                row["users"] += 1
            row["count"] += 1
            row["sum"] += purchase.amount
            rows[key] = row
            changed.add(key)
            progress.add()

    @app.timer(1.0)
    async def publish() -> None:
        while changed:
            key = changed.pop()
            await out.send(key=key, value=rows[key])

    _run(app)


def whole(order: Order) -> None:
    """J2."""
    # Here, because they load what J0 and J1 do not need, and their memory is measured.
    from tests.bench.clickhouse import FLUSH_S, Store
    from tests.bench.whole import WindowRow, enrich, measure

    app, progress = _application(order, "faust"), Progress(3 * order.kept)
    store = Store(order, progress)
    topic = app.topic(order.topic, value_serializer="raw")
    dead_letters = app.topic(order.out, value_serializer="raw")
    between = f"{order.prefix}faust.measures"
    # Beforehand: Faust subscribes without the topics that it is still creating.
    create_topics(order.bootstrap, [between], order.partitions)
    measures = app.topic(between, key_serializer="raw", value_serializer="json")
    rows = app.Table("rows", default=dict, partitions=order.partitions)
    seen = app.Table("seen", default=bool, partitions=order.partitions)
    changed: set[str] = set()

    @app.agent(topic)
    async def store_events(bodies: Any) -> None:
        async for batch in bodies.take_events(TAKEN, within=FLUSH_S):
            progress.begin()
            found = [enrich(event.value, int(event.message.timestamp * 1000)) for event in batch]
            for event, enriched in zip(batch, found, strict=True):
                if enriched is None:
                    await dead_letters.send(value=event.value)
                    continue
                measured = measure(enriched)
                for dimension, value in measured.series:
                    what = {
                        "dimension": dimension,
                        "value": value,
                        "start": measured.start,
                        "revenue": measured.revenue,
                        "sentiment": measured.sentiment,
                        "user": measured.distinct_id,
                    }
                    await measures.send(key=f"{dimension}:{value}".encode(), value=what)
            store.add_events([enriched for enriched in found if enriched is not None])

    @app.agent(measures)
    async def aggregate(found: Any) -> None:
        async for what in found:
            key = f"{what['dimension']}:{what['value']}:{what['start']}"
            row = rows[key] or {
                **{name: what[name] for name in ("dimension", "value", "start")},
                **{"count": 0, "revenue": 0.0, "scored": 0, "mood": 0.0, "users": 0},
            }
            user = f"{key}:{what['user']}"
            if not seen[user]:
                seen[user] = True
                row["users"] += 1
            row["count"] += 1
            row["revenue"] += what["revenue"]
            if what["sentiment"] is not None:
                row["scored"] += 1
                row["mood"] += what["sentiment"]
            rows[key] = row
            changed.add(key)
            progress.add()

    @app.timer(1.0)
    async def store_windows() -> None:
        store.add_windows([WindowRow(**rows[key]) for key in changed])
        changed.clear()

    _run(app)


def _run(app: faust.App) -> None:
    faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    run({"J0": parse, "J1": windows, "J2": whole}, ("faust-streaming", "aiokafka", "msgspec", "chdb"))
