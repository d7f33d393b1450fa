"""The stored events as a rebuild reads them, against a plain list of the same events."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from typing import NamedTuple

import msgspec
import pytest
from aiokafka.partitioner import murmur2

from loopin_schemas.event import EnrichedEvent
from loopin_schemas.window import MetricWindow
from loopin_sinks import truth as truth_module
from loopin_sinks.repair.recompute import REPAIR_REVISION
from loopin_sinks.repair.requests import pending_repairs
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store
from loopin_sinks.truth import StoredTruth
from loopin_sinks.window_rows import METRIC_WINDOWS, windows_to_arrow
from loopin_streams.projects.project import Retention
from loopin_streams.rebuild.truth import Extent, Place, Share

HOUR = 3_600_000
MINUTE = 60_000
START = 1_790_000_000_000 - 1_790_000_000_000 % HOUR
PARTITIONS = 3

# Apache Kafka's own test, UtilsTest.testMurmur2.
KAFKAS_HASHES = {
    "21": -973932308,
    "foobar": -790332482,
    "a-little-bit-long-string": -985981536,
    "a-little-bit-longer-string": -1486304829,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
}


class Row(NamedTuple):
    event: EnrichedEvent
    partition: int


def some_rows(number: int = 400) -> list[Row]:
    rnd = random.Random(7)
    users = [f"u{at}" for at in range(20)] + ["é漢字", "a:b", "x" * 200, "😀"]
    offsets = [0] * PARTITIONS
    at = START
    rows = []
    for _ in range(number):
        at += rnd.choice([0, 0, 1, 5_000, 20 * MINUTE])
        partition = rnd.randrange(PARTITIONS)
        kind = rnd.choice(["click", "ticket_purchased", "payment_refunded"])
        event = EnrichedEvent(
            uuid=str(uuid.UUID(int=rnd.getrandbits(128), version=4)),
            project=rnd.choice(["demo", "shop"]),
            event=kind,
            distinct_id=rnd.choice(users),
            timestamp=at - rnd.choice([0, 3, 5 * HOUR, -22 * HOUR]),
            received_at=at,
            properties=msgspec.Raw(msgspec.json.encode({"amount": rnd.randrange(9), "country": "IN"})),
            sentiment=rnd.choice([None, 0.25]),
            raw_partition=partition,
            raw_offset=offsets[partition],
        )
        offsets[partition] += rnd.choice([1, 2])
        rows.append(Row(event, partition))
    return rows


async def insert(store: Store, rows: list[Row], first_offset: int = 0) -> None:
    for partition in range(PARTITIONS):
        events = [row.event for row in rows if row.partition == partition]
        offsets = range(first_offset, first_offset + len(events))
        topic_id = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
        table = to_arrow(events, partition, list(offsets), topic_id, lambda _: 3650, START)
        for _, month in by_month(table):
            await store.insert("events", month, token=str(uuid.uuid4()))


async def test_the_engine_partitions_as_kafka_does(store: Store) -> None:
    for key, signed in KAFKAS_HASHES.items():
        [row] = await store.query("SELECT kafkaMurmurHash({key:String}) AS hash", {"key": key})
        assert int(row["hash"]) == signed & 0x7FFFFFFF


async def test_an_empty_store_knows_nothing(tables: Store) -> None:
    truth = StoredTruth(tables)
    assert (await truth.extents(), await truth.newest(), await truth.passed(0)) == ({}, {}, 0)
    assert await truth.latest(0) is None
    assert await truth.before(0, 10) is None
    assert await truth.spans(Share(0, 2)) == []
    assert await truth.settled(since=0) == set()


async def test_what_it_says_of_partitions_and_projects(tables: Store) -> None:
    rows = some_rows()
    await insert(tables, rows)
    truth = StoredTruth(tables)
    events = [row.event for row in rows]
    assert await truth.extents() == {
        project: Extent(
            min(e.timestamp for e in events if e.project == project),
            sum(e.project == project for e in events),
        )
        for project in ("demo", "shop")
    }
    for partition in range(PARTITIONS):
        mine = [e for e in events if e.raw_partition == partition]
        newest = await truth.newest()
        assert newest[partition] == max(min(e.timestamp, e.received_at) for e in mine)
        assert await truth.passed(partition) == len(mine)
        last = mine[-1]
        assert await truth.latest(partition) == Place(last.raw_offset, last.uuid, last.received_at)
        middle = mine[len(mine) // 2]
        before = mine[len(mine) // 2 - 1]
        place = Place(before.raw_offset, before.uuid, before.received_at)
        assert await truth.before(partition, middle.raw_offset) == place
        assert await truth.before(partition, middle.raw_offset, since=before.received_at) == place
        assert await truth.before(partition, middle.raw_offset, since=middle.received_at + 1) is None


async def test_events_come_once_each_in_the_order_of_arrival(
    tables: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(truth_module, "SPAN_EVENTS", 40)
    rows = some_rows()
    await insert(tables, rows)
    # A part of them was stored twice, and is not merged yet.
    await insert(tables, rows[:50])
    truth = StoredTruth(tables)
    number = 0
    for partition in range(2):
        share = Share(partition, 2)
        wanted = sorted(
            (row.event for row in rows if _partition_of(row.event, 2) == partition),
            key=lambda e: (e.received_at, e.raw_partition, e.raw_offset),
        )
        spans = await truth.spans(share)
        assert len(spans) > 1
        assert sum(span.events for span in spans) >= len(wanted)
        found = [stored for span in spans async for block in truth.events(share, span) for stored in block]
        assert [(s.enriched.raw_partition, s.enriched.raw_offset) for s in found] == [
            (e.raw_partition, e.raw_offset) for e in wanted
        ]
        for stored, event in zip(found, wanted, strict=True):
            assert stored.key == f"{event.project}:{event.distinct_id}".encode()
            for name in ("project", "event", "distinct_id", "timestamp", "received_at", "sentiment"):
                assert getattr(stored.enriched, name) == getattr(event, name)
            assert stored.properties == msgspec.json.decode(event.properties)
        number += len(found)
    assert number == len(rows)


async def test_identities_of_the_last_hours(tables: Store) -> None:
    rows = some_rows()
    await insert(tables, rows)
    since = rows[len(rows) // 2].event.received_at
    for partition in range(2):
        truth = StoredTruth(tables)
        found = [row async for block in truth.identities(Share(partition, 2), since=since) for row in block]
        wanted = [
            (e.received_at, e.project, e.uuid)
            for e, _ in rows
            if e.received_at >= since and _partition_of(e, 2) == partition
        ]
        assert Counter(found) == Counter(wanted)
        assert [received for received, _, _ in found] == sorted(received for received, _, _ in found)


async def test_what_arrived_by_project_and_minute(tables: Store) -> None:
    rows = some_rows()
    await insert(tables, rows)
    start, end = rows[100].event.received_at, rows[300].event.received_at
    for partition in range(2):
        found = await StoredTruth(tables).received(Share(partition, 2), start=start, end=end)
        assert found == Counter(
            (e.project, e.received_at // MINUTE)
            for e, _ in rows
            if start <= e.received_at < end and e.raw_partition % 2 == partition
        )


async def test_the_windows_of_what_arrived(tables: Store) -> None:
    rows = some_rows()
    await insert(tables, rows)
    start, end = rows[100].event.received_at, rows[300].event.received_at
    assert await StoredTruth(tables).windows_of(start=start, end=end) == {
        (e.project, grain, e.timestamp - e.timestamp % size)
        for e, _ in rows
        if start <= e.received_at < end
        for grain, size in (("minute", MINUTE), ("hour", HOUR), ("day", 24 * HOUR))
    }


async def test_settled_windows_are_the_repaired_and_the_crowded(tables: Store) -> None:
    def window(start: int, revision: int, value: str = "") -> MetricWindow:
        return MetricWindow(
            project="demo",
            metric="events",
            dimension="event" if value else "",
            value=value,
            grain="minute",
            start=start,
            count=1,
            revision=revision,
        )

    rows = [
        window(START, 5),
        window(START + MINUTE, REPAIR_REVISION + 5),
        window(START + 2 * MINUTE, 5, "$other"),
    ]
    await tables.insert(METRIC_WINDOWS, windows_to_arrow(rows, lambda _: Retention(3650), START), token="t")
    truth = StoredTruth(tables)
    settled = await truth.settled(since=START)
    assert settled == {("demo", "minute", START + MINUTE), ("demo", "minute", START + 2 * MINUTE)}
    assert await truth.settled(since=START + 2 * MINUTE) == {("demo", "minute", START + 2 * MINUTE)}
    await truth.ask_for_repairs(settled)
    assert {tuple(request.window) for request in await pending_repairs(tables)} == settled


def _partition_of(event: EnrichedEvent, partitions: int) -> int:
    key = f"{event.project}:{event.distinct_id}".encode()
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
