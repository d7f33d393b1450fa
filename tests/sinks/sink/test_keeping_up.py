"""A sink's readiness, lag and numbers, on a real broker and the real engine."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from loopin_sinks.metered_store import MeteredStore
from loopin_sinks.metric_sink import MetricSink
from loopin_sinks.metrics import EVENTS, SinkCollector, freshness_s, received_ms
from loopin_sinks.repair.repairer import Repairer
from loopin_sinks.repair.requests import request_repairs
from loopin_sinks.sink import Sink
from loopin_sinks.window_rows import WindowRef
from loopin_streams.kafka.lag import Consumption, LagLimits, LagWatch
from loopin_streams.kafka.logs import Logs
from loopin_streams.projects.project import Projects
from tests.sinks.asking import until
from tests.sinks.enriched import Enriched, running, stored_all
from tests.sinks.faulty_store import FaultyStore

AN_HOUR_MS = 3_600_000
TOPIC_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.fixture
def logs(enriched: Enriched) -> Iterator[Logs]:
    logs = Logs(enriched.settings.kafka_bootstrap)
    yield logs
    logs.close()


def watch_of(sink: Sink, enriched: Enriched, logs: Logs) -> LagWatch:
    """Of the sink, and of an enrichment that has nothing to do."""
    topic = enriched.settings.topic("events.enriched")

    async def nothing() -> Mapping[int, int]:
        return {}

    return LagWatch(
        logs,
        [Consumption(EVENTS, topic, sink.positions, received_ms), Consumption("enrich", topic, nothing)],
        LagLimits(max_lag_s=300, stall_s=0.2),
    )


def repairer_of(enriched: Enriched) -> Repairer:
    return Repairer(enriched.settings, enriched.store, Projects(), partitions=2, leads=lambda: True)


def publish_received(enriched: Enriched, number: int, at_ms: int) -> None:
    """Events that are enriched now and were received at another time."""
    records = []
    for offset in range(number):
        event = {
            **{"uuid": str(uuid.uuid4()), "project": "demo", "event": "click", "distinct_id": "u1"},
            **{"timestamp": at_ms, "received_at": at_ms, "_raw_partition": 0, "_raw_offset": offset},
        }
        records.append(enriched.record(json.dumps(event).encode(), 0))
    enriched.writer.write(records)
    enriched.published += number


async def looked(watch: LagWatch, reason: str) -> str:
    """What the watch says once it gives this reason."""
    async with asyncio.timeout(30):
        while reason not in (watch.unready() or ""):
            await watch.look()
    return watch.unready() or ""


@asynccontextmanager
async def at_work(*sinks: Sink) -> AsyncIterator[None]:
    async with AsyncExitStack() as stack:
        for sink in sinks:
            await stack.enter_async_context(running(sink))
        yield


async def test_ready_while_all_it_was_assigned_is_open(enriched: Enriched) -> None:
    sink = enriched.sink()
    assert sink.unready() == "no partitions are assigned yet"
    assert await sink.positions() == {}
    async with at_work(sink):
        await until(lambda: sink.unready() is None, "the sink is ready")
        assert set(await sink.positions()) == {0, 1}


async def test_a_sink_that_got_no_partition_is_ready_to_step_in(enriched: Enriched) -> None:
    sinks = [enriched.sink() for _ in range(3)]
    async with at_work(*sinks):
        # One that has not joined the group yet is not ready, nor are those that wait for it.
        await until(lambda: all(sink.unready() is None for sink in sinks), "all three are ready")
        held = [sorted(await sink.positions()) for sink in sinks]
        assert sorted(held) == [[], [0], [1]]


async def test_a_store_that_refuses_makes_it_unready_and_old(enriched: Enriched, logs: Logs) -> None:
    store = FaultyStore(enriched.store, failing=True)
    received = int(time.time() * 1000) - AN_HOUR_MS
    publish_received(enriched, 30, received)
    sink = enriched.sink(store)
    watch = watch_of(sink, enriched, logs)
    async with at_work(sink):
        await until(lambda: sink.writer.failing, "the store fails")
        assert sink.unready() == sink.writer.failing
        said = await looked(watch, "stands still")
        assert said.startswith("events stands still: records wait in partition 0 of ")
        lag = watch.lag(EVENTS)
        assert lag is not None
        assert lag.events >= 30
        assert lag.seconds < 600, "they were enriched just now"
        age = time.time() - received / 1000
        assert lag.received_s == pytest.approx(age, abs=60)
        assert freshness_s(watch, "enrich") == pytest.approx(age, abs=60)
        store.failing = False
        await stored_all(enriched, sink)
        await watch.look()
        assert (watch.unready(), sink.unready()) == (None, None)
        assert freshness_s(watch, "enrich") == 0, "everything is queryable, however old it is"


async def test_the_numbers_are_those_of_the_events(enriched: Enriched, logs: Logs) -> None:
    registry = CollectorRegistry()
    enriched.publish(300)
    enriched.publish(50, abort=True)
    enriched.writer.write([enriched.record(b"no event", 1)])
    store = MeteredStore(enriched.store, registry)
    sink = enriched.sink(store)
    watch = watch_of(sink, enriched, logs)
    windows = MetricSink(enriched.settings, store, Projects(), TOPIC_ID)
    registry.register(SinkCollector(sink, [windows], repairer_of(enriched), watch, "enrich"))

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    assert value("loopin_freshness_seconds") is None, "nobody has looked yet"
    assert value("loopin_send_to_queryable_seconds", quantile="0.5") is None
    assert value("loopin_sink_newest_event_timestamp_seconds") is None, "nothing is stored yet"
    async with at_work(sink):
        await stored_all(enriched, sink)
        await watch.look()

    assert value("loopin_sink_records_read_total", table="events") == 301
    assert value("loopin_sink_rows_total", table="events") == 300
    assert value("loopin_sink_unreadable_total", table="events") == 1
    assert value("loopin_sink_rows_total", table="metric_windows") == 0
    assert value("loopin_insert_rows_sum", table="events") == 300
    assert value("loopin_insert_failures_total", table="events") is None
    assert value("loopin_freshness_seconds") == 0
    # Each was sent 5 ms before it was received.
    assert 0.005 <= (value("loopin_send_to_queryable_seconds", quantile="0.5") or 0) < 60
    (newest,) = await enriched.store.query(
        "SELECT toUnixTimestamp64Milli(max(received_at)) AS ms FROM events"
    )
    assert value("loopin_sink_newest_event_timestamp_seconds") == newest["ms"] / 1000


async def test_the_newest_event_stays_the_newest_when_older_ones_come(enriched: Enriched, logs: Logs) -> None:
    registry = CollectorRegistry()
    sink = enriched.sink()
    windows = MetricSink(enriched.settings, enriched.store, Projects(), TOPIC_ID)
    watch = watch_of(sink, enriched, logs)
    registry.register(SinkCollector(sink, [windows], repairer_of(enriched), watch, "enrich"))
    newest = int(time.time() * 1000) - 60_001
    async with at_work(sink):
        for received, expected in (
            (newest - AN_HOUR_MS, newest - AN_HOUR_MS),
            (newest, newest),
            (newest - 2 * AN_HOUR_MS, newest),
        ):
            publish_received(enriched, 3, received)
            await stored_all(enriched, sink)
            told = registry.get_sample_value("loopin_sink_newest_event_timestamp_seconds")
            assert told == expected / 1000


async def test_repairs_are_told(enriched: Enriched, logs: Logs) -> None:
    registry = CollectorRegistry()
    sink, repairer = enriched.sink(), repairer_of(enriched)
    windows = MetricSink(enriched.settings, enriched.store, Projects(), TOPIC_ID)
    registry.register(SinkCollector(sink, [windows], repairer, watch_of(sink, enriched, logs), "enrich"))

    def told() -> list[float | None]:
        names = ("loopin_repaired_windows_total", "loopin_repairs_pending", "loopin_repairs_failing")
        return [registry.get_sample_value(name) for name in names]

    assert told() == [0, None, 0], "nobody has looked yet"
    await request_repairs(enriched.store, [WindowRef("demo", "hour", 0), WindowRef("demo", "day", 0)])
    # No worker has told a watermark.
    assert await repairer.repair_once(asyncio.Event()) == 0
    assert told() == [0, 2, 0]
    repairer.repaired, repairer.failing = 7, "ClickHouse does not answer."
    assert told() == [7, 2, 1]


def test_when_an_event_was_received_is_read_from_the_record() -> None:
    assert received_ms(b'{"received_at": 1700000000000, "properties": {}}') == 1_700_000_000_000
    for body in (b"", b"{", b"[]", b'{"received_at": "x"}', b'{"other": 1}', b"[" * 100_000):
        assert received_ms(body) is None
