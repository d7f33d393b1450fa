"""A store that is away or fails now and then: the sink waits, repeats, and can still be stopped."""

from __future__ import annotations

import asyncio

import pytest

from loopin_sinks.store import StoreError
from tests.sinks.asking import until
from tests.sinks.enriched import Enriched, running, stored_all
from tests.sinks.faulty_store import FaultyStore, Inserted


async def test_a_store_that_is_away_for_a_while_loses_nothing(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(80, days_apart=1.0)
    sink = enriched.sink(store)
    async with running(sink):
        await until(lambda: sink.writer.failing == "ClickHouse does not answer.", "it says what fails")
        enriched.publish(40)
        assert sink.writer.stored_rows == 0
        store.failing = False
        await stored_all(enriched, sink)
        await until(lambda: sink.writer.failing is None, "it no longer fails")
    assert sink.writer.stored_rows == 120
    await enriched.assert_stored_once()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_inserts_that_fail_now_and_then_are_stored_once_and_counted_once(
    enriched: Enriched, when: str
) -> None:
    store = FaultyStore(enriched.store)

    def fail_every_third(_: Inserted) -> None:
        if len(store.inserts) % 3 == 1:
            raise StoreError("query_timeout", "The answer was lost.")

    setattr(store, when, fail_every_third)
    sink = enriched.sink(store, batch_size=50)
    async with running(sink):
        for _ in range(3):
            enriched.publish(100, days_apart=0.7)
        await stored_all(enriched, sink)
        await until(lambda: sink.writer.stored_rows >= 300, "all rows counted", 5)
    assert sink.writer.stored_rows == 300
    await enriched.assert_stored_once()


async def test_a_stop_while_the_store_is_away_is_prompt_and_the_next_sink_completes(
    enriched: Enriched,
) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(80, days_apart=1.0)
    sink = enriched.sink(store)
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    await until(lambda: sink.writer.failing, "the store fails")
    stop.set()
    async with asyncio.timeout(60):
        await task
    successor = enriched.sink()
    async with running(successor):
        await stored_all(enriched, successor)
    await enriched.assert_stored_once()


async def test_a_stop_during_a_rebalance_is_prompt_too(enriched: Enriched) -> None:
    store = FaultyStore(enriched.store, failing=True)
    enriched.publish(10)
    sink = enriched.sink(store)
    stop = asyncio.Event()
    task = asyncio.create_task(sink.run(stop))
    await until(lambda: sink.writer.failing, "the store fails")
    stop.set()
    await sink.on_partitions_revoked([])
    async with asyncio.timeout(60):
        await task
