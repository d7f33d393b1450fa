"""A sink that is cut off around an insert, or comes late with one: its successor completes the range."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from threading import Event

import pyarrow as pa
import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from loopin_sinks.writer import Row
from loopin_streams.kafka.progress import committed_offsets
from tests.sinks.asking import DEADLINE_S, until
from tests.sinks.enriched import Enriched, kill, running, stored_all
from tests.sinks.faulty_store import FaultyStore, Inserted, stand_still_at


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("insert", [1, 2, 3])
async def test_a_sink_cut_off_around_an_insert_is_completed_by_the_next(
    enriched: Enriched, when: str, insert: int
) -> None:
    # Two partitions of about three months each: the cut falls within a range, too.
    enriched.publish(120, days_apart=1.0)
    store = FaultyStore(enriched.store)
    stand_still_at(store, insert, when)
    await kill(enriched.sink(store), store, insert)
    cut = store.inserts[-1]
    enriched.publish(30)
    fresh = FaultyStore(enriched.store)
    successor = enriched.sink(fresh)
    async with running(successor):
        await stored_all(enriched, successor)
    await enriched.assert_stored_once()
    # What is stored is not inserted again; what is not, under the same token, should the cut one still land.
    assert (cut.token in {call.token for call in fresh.inserts}) == (when == "before")
    # The noted range is repeated by itself, before anything that came later: offset 60 is a marker.
    repeated = [call.offsets for call in fresh.inserts if call.partition == cut.partition]
    assert all((min(offsets) > 60) == (max(offsets) > 60) for offsets in repeated)
    later = [min(offsets) > 60 for offsets in repeated]
    assert later == sorted(later)


async def test_a_sink_that_is_late_with_an_insert_that_its_successor_repeated_adds_nothing(
    enriched: Enriched,
) -> None:
    # More than one fetch a partition: the successor has to repeat the range as one, as it was noted.
    enriched.publish(16_000)
    store, released, landed = FaultyStore(enriched.store), asyncio.Event(), asyncio.Event()
    store.before = lambda _: released.wait()
    store.after = lambda _: landed.set()
    late = enriched.sink(store, session_timeout_s=1.0, insert_interval_s=2.0)
    async with running(late):
        await until(lambda: store.inserts, "the first insert is under way")
        successor = enriched.sink(session_timeout_s=1.0)
        async with running(successor):
            # The group waits for the late one until its rebalance timeout, then goes on without it.
            await stored_all(enriched)
            released.set()
            enriched.publish(20)
            await stored_all(enriched)
            async with asyncio.timeout(DEADLINE_S):
                await landed.wait()
    assert len(store.inserts[0].offsets) > 5_000
    await enriched.assert_stored_once()


async def test_a_sink_that_wakes_up_before_its_insert_long_after_a_successor_repeated_it_adds_nothing(
    enriched: Enriched, monkeypatch: pytest.MonkeyPatch
) -> None:
    enriched.publish(40)
    store, asleep, awake = FaultyStore(enriched.store), Event(), Event()
    zombie = enriched.sink(store, session_timeout_s=1.0, insert_interval_s=2.0)
    tables = zombie.writer._tables

    def sleep(partition: int, rows: Sequence[Row]) -> list[tuple[str, pa.Table]]:
        # Its note is committed by then, its insert not begun.
        if len(rows) > 1:
            asleep.set()
            awake.wait(DEADLINE_S)
        return tables(partition, rows)

    monkeypatch.setattr(zombie.writer, "_tables", sleep)
    async with running(zombie):
        await until(asleep.is_set, "it has fallen asleep")
        successor = enriched.sink(session_timeout_s=1.0)
        async with running(successor):
            await stored_all(enriched)
            # The engine has seen so many inserts since that it does not know the token any longer.
            await enriched.store.command(
                "ALTER TABLE events MODIFY SETTING non_replicated_deduplication_window = 1"
            )
            for _ in range(3):
                enriched.publish(10)
                await stored_all(enriched)
            awake.set()
            async with zombie._working:
                # What it held up is over.
                enriched.publish(10)
            await stored_all(enriched)
    assert all(min(call.offsets) >= 20 for call in store.inserts)
    await enriched.assert_stored_once()


async def test_a_note_is_committed_again_before_an_insert_only_where_it_has_become_old(
    enriched: Enriched, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("loopin_sinks.sink.time.clock_gettime", lambda clock: now)
    enriched.publish(40, days_apart=4.0)
    committed_at: dict[int, float] = {}
    ages: list[float] = []
    store = FaultyStore(enriched.store)
    sink = enriched.sink(store)

    def pass_time(call: Inserted) -> None:
        nonlocal now
        ages.append(now - committed_at[call.partition])
        now += 2.0

    store.before = pass_time
    commit = sink._commit

    async def watched(offsets: dict[TopicPartition, OffsetAndMetadata]) -> bool:
        committed_at.update({at.partition: now for at in offsets})
        return await commit(offsets)

    monkeypatch.setattr(sink, "_commit", watched)
    async with running(sink):
        await until(lambda: sink.writer.stored_rows == 40, "all is stored")
    assert len(ages) >= 6, "three months at least in each of two partitions"
    assert set(ages) == {0.0, 2.0}, "of a session of 6 s half is 3 s"
    await enriched.assert_stored_once()


async def test_a_successor_of_a_cut_off_sink_lags_while_it_cannot_repeat(enriched: Enriched) -> None:
    enriched.publish(40)
    store = FaultyStore(enriched.store)
    stand_still_at(store, 1, "before")
    await kill(enriched.sink(store), store, 1)
    away = FaultyStore(enriched.store, failing=True)
    successor = enriched.sink(away)
    async with running(successor):
        await until(lambda: successor.writer.failing, "the store fails")
        assert await enriched.waiting(successor) >= 40
        away.failing = False
        await stored_all(enriched, successor)
        # Others see it by the group's offsets, although nothing new comes.
        settings = enriched.settings
        group, topic = f"{settings.topic_prefix}clickhouse", settings.topic("events.enriched")
        rows = await enriched.store.query(
            # One further: behind the last event there is its transaction's marker.
            "SELECT _partition AS partition, max(_offset) + 2 AS end FROM events GROUP BY partition"
        )
        wanted = {int(row["partition"]): int(row["end"]) for row in rows}
        found: dict[int, int] = {}
        deadline = time.monotonic() + DEADLINE_S
        while found != wanted:
            assert time.monotonic() < deadline, (found, wanted)
            found = await committed_offsets(settings.kafka_bootstrap, group, topic)
    await enriched.assert_stored_once()
