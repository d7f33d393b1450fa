"""Windows whose records Kafka removed before a sink stored them are recomputed from the stored events."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from msgspec import structs

from loopin_sinks.store import Store
from tests.sinks.asking import until
from tests.sinks.faulty_store import FaultyStore
from tests.sinks.metrics.topic import DAY_MS, TODAY_MS, Metrics, caught_up, running
from tests.sinks.repair.plain import HOUR_MS, Happened
from tests.sinks.repair.stored import enriched, store_events

LONG_AGO = TODAY_MS - 20 * DAY_MS
AT = datetime.fromtimestamp((TODAY_MS - 5 * DAY_MS) / 1000, UTC).replace(hour=13, minute=47, second=59)

ITS_WINDOWS = {
    ("demo", "minute", AT.replace(second=0)),
    ("demo", "hour", AT.replace(minute=0, second=0)),
    ("demo", "day", AT.replace(hour=0, minute=0, second=0)),
}


async def store_two(store: Store) -> None:
    """An event of ``AT`` that was received an hour ago, and one that happened and was received long ago."""
    hour_ago = int(time.time() * 1000) - HOUR_MS
    sent_late = enriched(Happened("demo", "page_view", "u1", _ms(AT)))
    await store_events(
        store,
        [
            structs.replace(sent_late, received_at=hour_ago),
            enriched(Happened("demo", "page_view", "u1", LONG_AGO)),
        ],
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


async def asked_for(store: Store) -> set[tuple[str, str, datetime]]:
    rows = await store.query("SELECT project, grain, start, version FROM window_repairs")
    assert all(row["version"] % 2 == 0 for row in rows)
    return {(row["project"], row["grain"], row["start"]) for row in rows}


def remove(metrics: Metrics, partition: int) -> None:
    """All records there are, as retention does it."""
    admin = AdminClient({"bootstrap.servers": metrics.settings.kafka_bootstrap})
    at = TopicPartition(metrics.settings.topic("metrics"), partition, -1)
    for done in admin.delete_records([at]).values():
        done.result(60)


async def test_what_was_removed_while_no_sink_ran(metrics: Metrics) -> None:
    await store_two(metrics.store)
    async with running(metrics.sink()):
        metrics.publish("IN", 1)
        await metrics.wait_stored()
    # One that reads nothing but a transaction's mark knows how far the one before it came.
    metrics.send(b"{}", commit=False)
    sink = metrics.sink()
    async with running(sink):
        await caught_up(sink, {0: 4})
    assert metrics.committed()[0] == 4
    metrics.publish("IN", 2)
    remove(metrics, 0)
    metrics.newest.clear()
    async with running(metrics.sink()):
        metrics.publish("DE", 3)
        metrics.newest["IN", TODAY_MS] = "IN", TODAY_MS, 1, False
        await metrics.wait_stored()
        # What was stored last is of now: an event of long before that is in no window that was missed.
        assert await asked_for(metrics.store) == ITS_WINDOWS


async def test_it_is_asked_for_once(metrics: Metrics) -> None:
    await store_two(metrics.store)
    async with running(metrics.sink()):
        metrics.publish("IN", 1)
        await metrics.wait_stored()
    metrics.publish("IN", 2)
    remove(metrics, 0)
    # Nothing is left to read, nor does anything come.
    async with running(metrics.sink()):
        await until(lambda: metrics.committed()[0] == 4, "it is noted")
    assert await asked_for(metrics.store) == ITS_WINDOWS
    [before] = await metrics.store.query("SELECT max(version) AS newest FROM window_repairs")
    sink = metrics.sink()
    async with running(sink):
        await caught_up(sink, {0: 4})
        metrics.publish("IN", 3)
        await metrics.wait_stored()
    assert [before] == await metrics.store.query("SELECT max(version) AS newest FROM window_repairs")


async def test_nothing_is_asked_for_where_nothing_was_missed(metrics: Metrics) -> None:
    await store_two(metrics.store)
    for count in (1, 2):
        sink = metrics.sink()
        async with running(sink):
            metrics.publish("IN", count)
            await metrics.wait_stored()
            # With the mark of its transaction.
            await caught_up(sink, {0: 2 * count})
        # Only what is stored.
        remove(metrics, 0)
    async with running(metrics.sink()) as task:
        metrics.publish("IN", 3)
        await metrics.wait_stored()
        assert not task.done()
    assert await asked_for(metrics.store) == set()


async def test_what_was_removed_while_the_store_was_away(metrics: Metrics) -> None:
    await store_two(metrics.store)
    store = FaultyStore(metrics.store)
    sink = metrics.sink(store)
    async with running(sink) as task:
        metrics.publish("IN", 1)
        await metrics.wait_stored()
        # As after a machine slept: what it reads next has gone.
        store.failing = True
        remove(metrics, 0)
        [at] = [at for at in sink._assigned if at.partition == 0]
        sink._consumer.seek(at, 0)
        await until(lambda: sink.failing, "it cannot ask")
        assert await asked_for(metrics.store) == set()
        store.failing = False
        await until(lambda: sink.failing is None, "it has asked")
        metrics.publish("IN", 3)
        await metrics.wait_stored()
        assert not task.done()
    assert await asked_for(metrics.store) == ITS_WINDOWS


async def test_what_an_earlier_topic_of_that_name_held(metrics: Metrics) -> None:
    await store_two(metrics.store)
    note = {"topic_id": "11111111-1111-4111-8111-111111111111", "stored_ms": LONG_AGO}
    await metrics.commit(1, json.dumps(note))
    metrics.publish("IN", 1)
    async with running(metrics.sink()):
        await metrics.wait_stored()
    assert len(await asked_for(metrics.store)) == 6, "both events came after what was stored"


async def test_a_request_is_not_noted_as_made_before_it_is(metrics: Metrics) -> None:
    await store_two(metrics.store)
    metrics.publish("IN", 1)
    async with running(metrics.sink()):
        await metrics.wait_stored()
    metrics.publish("IN", 2)
    remove(metrics, 0)
    metrics.publish("IN", 3)
    store = FaultyStore(metrics.store, failing=True)
    before = metrics.committed()
    sink = metrics.sink(store)
    async with running(sink):
        await until(lambda: sink.failing, "it cannot ask")
    assert metrics.committed() == before
    again = metrics.sink()
    async with running(again):
        await metrics.wait_stored()
    assert await asked_for(metrics.store) == ITS_WINDOWS
