"""A sink that is cut off around an insert, or comes late with one: its successor completes the range."""

from __future__ import annotations

import asyncio
import time

import pytest

from loopin_streams.kafka.progress import committed_offsets
from tests.sinks.asking import DEADLINE_S, until
from tests.sinks.enriched import Enriched, kill, running, stored_all
from tests.sinks.faulty_store import FaultyStore, stand_still_at


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
