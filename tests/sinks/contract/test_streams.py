"""Streams: results of any size, read block by block."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import psutil
import pytest

from loopin_sinks.store import Store, StoreError
from loopin_sinks.store.interface import STREAM_BLOCK_ROWS, STREAMS
from tests.sinks.asking import answers_are_its_own, end_queries, exported, until_running

WIDE = "SELECT number, repeat('x', 200) AS text FROM numbers(1000000)"
"""Over 200 MB: nobody holds it whole."""


async def test_a_stream_gives_columns_and_every_row(store: Store) -> None:
    async with store.stream("SELECT number AS n, 'x' AS s FROM numbers({n:UInt64})", {"n": 100_000}) as rows:
        assert rows.columns == ("n", "s")
        blocks = [block async for block in rows]
    assert [row for block in blocks for row in block] == [(n, "x") for n in range(100_000)]
    assert max(len(block) for block in blocks) <= STREAM_BLOCK_ROWS


async def test_a_stream_without_rows_still_names_its_columns(store: Store) -> None:
    sql = "SELECT number AS n, 'x' AS s FROM numbers({n:UInt64}) -- nothing"
    async with store.stream(sql, {"n": 0}) as rows:
        assert rows.columns == ("n", "s")
        assert [block async for block in rows] == []


async def test_a_stream_that_fails_at_once_raises_our_error(store: Store) -> None:
    with pytest.raises(StoreError, match="loopin migrate"):
        await exported(store, "SELECT secret FROM nowhere")


@pytest.mark.parametrize("rows_before", [10, 90_000, 500_000])
async def test_a_stream_that_fails_later_never_looks_complete(store: Store, rows_before: int) -> None:
    # Before, and after, what a server holds back of an answer.
    sql = f"SELECT number, toString(throwIf(number = {rows_before}, 'secret')) FROM numbers(1000000)"
    with pytest.raises(StoreError) as error:
        await exported(store, sql)
    assert error.value.code == "query_failed"
    # A client over HTTP may lose the reason with the connection, never the fact.
    assert error.value.engine_code in (395, None)
    assert "secret" not in str(error.value)


async def test_what_the_reader_of_a_stream_raises_passes_unchanged(store: Store) -> None:
    with pytest.raises(ZeroDivisionError):
        async with store.stream("SELECT 1"):
            raise ZeroDivisionError
    assert await store.query("SELECT 1 AS one") == [{"one": 1}]


async def test_a_stream_may_not_write(store: Store) -> None:
    with pytest.raises(StoreError) as error:
        await exported(store, "CREATE TABLE kept (n Int8) ENGINE = Memory")
    assert error.value.code == "query_failed"
    assert await store.query("EXISTS TABLE kept") == [{"result": 0}]


async def test_a_stream_left_early_leaves_nothing_behind(store: Store) -> None:
    for _ in range(STREAMS + 1):
        async with store.stream(WIDE) as rows:
            async for _block in rows:
                break
        await answers_are_its_own(store)


async def test_a_stream_cancelled_while_it_opens_leaves_nothing_behind(store: Store) -> None:
    # Without a row before it is ended, it is never open.
    sql = (
        "SELECT sum(sleepEachRow(0.01)) AS opening FROM numbers(1000000) "
        "SETTINGS max_block_size = 1, max_execution_time = 60"
    )
    for _ in range(STREAMS + 1):
        reader = asyncio.create_task(exported(store, sql))
        await until_running(store, "opening")
        reader.cancel()
        await end_queries(store, "opening")
        with pytest.raises(asyncio.CancelledError):
            await reader
    await answers_are_its_own(store)


async def test_a_stream_cancelled_in_mid_read_leaves_nothing_behind(store: Store) -> None:
    async def read(begun: asyncio.Event) -> None:
        async with store.stream(WIDE) as rows:
            async for _ in rows:
                begun.set()

    for _ in range(STREAMS + 1):
        begun = asyncio.Event()
        reader = asyncio.create_task(read(begun))
        await begun.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
    await answers_are_its_own(store)


async def test_streams_beyond_the_limit_wait_for_one_to_end_and_queries_do_not(store: Store) -> None:
    async with AsyncExitStack() as open_streams:
        for _ in range(STREAMS):
            rows = await open_streams.enter_async_context(store.stream(WIDE))
            await anext(aiter(rows))
        more = [asyncio.create_task(exported(store, "SELECT 1")) for _ in range(30)]
        await answers_are_its_own(store)
        await answers_are_its_own(store)
        assert not any(task.done() for task in more)
    assert await asyncio.gather(*more) == [[(1,)]] * 30


async def test_streams_are_read_in_turns(store: Store) -> None:
    sql = "SELECT number + {start:UInt64} FROM numbers(200000)"
    async with store.stream(sql, {"start": 0}) as first, store.stream(sql, {"start": 10**9}) as second:
        found: tuple[list[int], list[int]] = ([], [])
        async for block in first:
            found[0].extend(row[0] for row in block)
            found[1].extend(row[0] for row in await anext(aiter(second)))
        async for block in second:
            found[1].extend(row[0] for row in block)
    assert found == (list(range(200_000)), list(range(10**9, 10**9 + 200_000)))


async def test_a_stream_takes_constant_memory(store: Store) -> None:
    process = psutil.Process()
    sizes = []
    # Text that does not compress: a megabyte of an answer is otherwise hundreds once it is read.
    async with store.stream("SELECT number, randomPrintableASCII(200) FROM numbers(1000000)") as rows:
        async for block in rows:
            sizes.append(process.memory_info().rss)
            assert len(block) <= STREAM_BLOCK_ROWS
    # The whole result is over 200 MB of text alone.
    assert max(sizes) - sizes[len(sizes) // 10] < 60 << 20
