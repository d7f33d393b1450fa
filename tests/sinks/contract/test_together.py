"""Many tasks on one store, and its end."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest

from loopin_sinks.store import Store, StoreError
from tests.sinks.asking import answers_are_its_own, end_queries, endless, until_running

BIG = "SELECT number, repeat('x', 200) AS text FROM numbers(1000000)"


async def test_queries_and_inserts_run_while_streams_are_open(store: Store) -> None:
    await store.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    sql = "SELECT number FROM numbers(1000000)"
    async with store.stream(sql) as first, store.stream(sql) as second:
        assert (await anext(aiter(first)))[0] == (0,)
        answers = await asyncio.gather(
            *(store.query("SELECT {i:UInt8} AS i", {"i": i}) for i in range(8)),
            store.insert("kept", pa.table({"n": [1]}), token="a"),
        )
        assert answers[:8] == [[{"i": i}] for i in range(8)]
        assert sum([len(block) async for block in second]) == 1_000_000


async def test_a_slow_query_holds_up_neither_the_loop_nor_others(store: Store) -> None:
    slow = asyncio.create_task(store.query(endless("slow")))
    await until_running(store, "slow")
    assert await store.query("SELECT 1 AS one") == [{"one": 1}]
    await until_running(store, "slow")
    slow.cancel()
    await end_queries(store, "slow")


async def test_cancelled_queries_rows_reach_nobody(store: Store) -> None:
    tasks = [asyncio.create_task(store.query(endless("cancelled"))) for _ in range(3)]
    await until_running(store, "cancelled", 3)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await end_queries(store, "cancelled")
    await answers_are_its_own(store)


async def test_ping_and_version(store: Store) -> None:
    await store.ping()
    assert await store.query("SELECT version() AS v") == [{"v": await store.version()}]


async def test_close_waits_for_what_runs(store: Store) -> None:
    # Long enough to be seen while it runs.
    rows = "SELECT sleepEachRow(0.5) AS slept FROM numbers(8) SETTINGS max_block_size = 1"
    slow = asyncio.create_task(store.query(rows))
    await until_running(store, "sleepEachRow(0.5)")
    await store.close()
    assert await slow == [{"slept": 0}] * 8


async def test_close_ends_streams_that_nobody_reads_on(store: Store) -> None:
    async with store.stream(BIG) as rows:
        await anext(aiter(rows))
        async with asyncio.timeout(60):
            await store.close()
        with pytest.raises(StoreError, match="closed"):
            async for _ in rows:
                pass


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.ping()
    await store.close()
    await store.close()
    rows = pa.table({"n": [1]})
    calls = (
        store.query("SELECT 1"),
        store.command("SELECT 1"),
        store.insert("kept", rows, token="a"),
        store.ping(),
        store.stream("SELECT 1").__aenter__(),
    )
    for call in calls:
        with pytest.raises(StoreError, match="closed") as error:
            await call
        assert error.value.code == "store_unreachable"
