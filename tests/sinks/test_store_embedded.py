"""The engine inside this process: its leak of failed queries' rows, its memory, and its folder."""

from __future__ import annotations

import asyncio
import gc
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import chdb
import psutil
import pyarrow as pa
import pytest

from loopin_sinks.store import Store, StoreError, StoreSettings, open_store
from loopin_sinks.store.embedded import READERS, STREAMS

ROWS_THEN_FAILURE = (
    "SELECT 'secret' AS s, throwIf(number = 50000) FROM numbers(100000) SETTINGS max_block_size = 1000",
    "SELECT 'secret' AS s, number FROM numbers(100000) "
    "SETTINGS max_block_size = 1000, max_result_rows = 5000",
    "SELECT 'secret' AS s, sleepEachRow(0.001) FROM numbers(100000) "
    "SETTINGS max_block_size = 10, max_execution_time = 0.1",
    "SELECT 'secret' AS s, length(range(number * 1000)) FROM numbers(100000) "
    "SETTINGS max_block_size = 10, max_memory_usage = 30000000",
)


async def answers_are_its_own(store: Store) -> None:
    """More queries at once than there are threads, each with an answer that no other could give."""
    answers = await asyncio.gather(
        *(store.query("SELECT {i:UInt32} AS mine", {"i": i}) for i in range(READERS * 3))
    )
    assert answers == [[{"mine": i}] for i in range(READERS * 3)]


async def exported(store: Store, sql: str) -> list[tuple[object, ...]]:
    async with store.stream(sql) as rows:
        return [row async for block in rows for row in block]


def test_a_bare_connection_hands_a_failed_querys_rows_to_the_next(tmp_path: Path) -> None:
    """Why the store drops connections after errors. Once this fails, chDB has been repaired."""
    with chdb.connect(str(tmp_path / "bare")) as connection:
        with pytest.raises(Exception, match="non-zero"):
            connection.query(ROWS_THEN_FAILURE[0], "TSV")
        assert b"secret" in connection.query("SELECT 44", "TSV").bytes()


@pytest.mark.parametrize("failing", ROWS_THEN_FAILURE)
async def test_a_failed_querys_rows_reach_nobody(embedded: Store, failing: str) -> None:
    outcomes = await asyncio.gather(
        *(embedded.query(failing) for _ in range(READERS)), return_exceptions=True
    )
    assert all(isinstance(outcome, StoreError) for outcome in outcomes)
    await answers_are_its_own(embedded)


async def test_a_failed_commands_rows_reach_nobody(embedded: Store) -> None:
    await embedded.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    for failing in ROWS_THEN_FAILURE[:2]:
        with pytest.raises(StoreError):
            await embedded.command(failing)
        await embedded.insert("kept", pa.table({"n": pa.array([1], pa.int64())}), token=failing)
    assert await embedded.query("SELECT n FROM kept") == [{"n": 1}, {"n": 1}]


async def test_a_failed_streams_rows_reach_nobody(embedded: Store) -> None:
    for failing in ROWS_THEN_FAILURE * 2:
        with pytest.raises(StoreError):
            await exported(embedded, failing)
        assert await exported(embedded, "SELECT 44 AS mine") == [(44,)]
    await answers_are_its_own(embedded)


async def test_a_cancelled_querys_rows_reach_nobody(embedded: Store) -> None:
    slow = "SELECT 'secret' AS s, sleepEachRow(0.01) FROM numbers(30) SETTINGS max_block_size = 1"
    tasks = [asyncio.create_task(embedded.query(slow)) for _ in range(READERS * 2)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await answers_are_its_own(embedded)


async def test_an_abandoned_stream_lets_its_slot_and_its_rows_go(embedded: Store) -> None:
    sql = "SELECT 'secret' AS s FROM numbers(10000000)"
    for _ in range(STREAMS + 1):
        async with embedded.stream(sql) as rows:
            async for _block in rows:
                break
        await answers_are_its_own(embedded)


async def test_a_stream_never_closed_is_closed_when_forgotten(embedded: Store) -> None:
    async with asyncio.timeout(10):
        for _ in range(STREAMS + 1):
            context = embedded.stream("SELECT 'secret' AS s FROM numbers(10000000)")
            await anext(aiter(await context.__aenter__()))
            del context
            gc.collect()
            await asyncio.sleep(0.05)
        await answers_are_its_own(embedded)


async def test_a_stream_cancelled_in_mid_read_lets_its_slot_go(embedded: Store) -> None:
    async def read() -> None:
        async with embedded.stream(
            "SELECT sleepEachRow(0.02) FROM numbers(50) SETTINGS max_block_size = 1"
        ) as rows:
            async for _ in rows:
                pass

    async with asyncio.timeout(10):
        for _ in range(STREAMS + 1):
            with suppress(TimeoutError):
                await asyncio.wait_for(read(), 0.1)
    await answers_are_its_own(embedded)


async def test_streams_beyond_the_limit_wait_for_one_to_end(embedded: Store) -> None:
    async with AsyncExitStack() as open_streams:
        for _ in range(STREAMS):
            await open_streams.enter_async_context(embedded.stream("SELECT 1"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(embedded.stream("SELECT 1").__aenter__(), 0.1)
    async with embedded.stream("SELECT 1") as rows:
        assert [block async for block in rows] == [[(1,)]]


async def test_a_stream_takes_constant_memory(embedded: Store) -> None:
    process = psutil.Process()
    sql = "SELECT number, repeat('x', 200) AS text FROM numbers(1000000)"
    sizes = []
    async with embedded.stream(sql) as rows:
        async for block in rows:
            sizes.append(process.memory_info().rss)
            assert len(block) <= 8192
    # The whole result is over 200 MB of text alone.
    assert max(sizes) - sizes[len(sizes) // 10] < 60 << 20


async def test_a_slow_query_does_not_hold_the_event_loop(embedded: Store) -> None:
    slow = asyncio.create_task(embedded.query("SELECT sleep(0.5)"))
    turns = 0
    while not slow.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 20


async def test_the_engines_memory_is_bounded(embedded: Store, embedded_settings: StoreSettings) -> None:
    rows = await embedded.query("SELECT name, value FROM system.server_settings")
    values = {str(row["name"]): str(row["value"]) for row in rows}
    assert int(values["max_server_memory_usage"]) == embedded_settings.store_memory_mb << 20
    for cache in ("mark_cache_size", "primary_index_cache_size", "index_mark_cache_size"):
        assert int(values[cache]) == 64 << 20
    assert Path(values["tmp_path"]) == embedded_settings.store_path / "tmp"


async def test_a_large_grouping_goes_to_disk(tmp_path: Path) -> None:
    store = open_store(StoreSettings(data_dir=tmp_path, store_memory_mb=256))
    sql = "SELECT count() AS c FROM (SELECT number % 2000000 AS k, count() FROM numbers(2000000) GROUP BY k)"
    assert await store.query(sql) == [{"c": 2_000_000}]
    await store.close()


async def test_rows_and_tokens_outlive_a_restart(embedded_settings: StoreSettings) -> None:
    rows = pa.table({"n": pa.array([1, 2], pa.int64())})
    create = "CREATE TABLE IF NOT EXISTS kept (n Int64) ENGINE = MergeTree ORDER BY n "
    for _ in range(2):
        store = open_store(embedded_settings)
        await store.command(f"{create} SETTINGS non_replicated_deduplication_window = 10")
        await store.insert("kept", rows, token="a")
        assert await store.query("SELECT n FROM kept") == [{"n": 1}, {"n": 2}]
        await store.close()


async def test_the_folder_is_private(embedded: Store, embedded_settings: StoreSettings) -> None:
    await embedded.ping()
    assert embedded_settings.store_path.stat().st_mode & 0o777 == 0o700


async def test_a_second_process_is_refused_until_the_first_lets_go(
    embedded_settings: StoreSettings,
) -> None:
    script = "import sys, chdb; c = chdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    embedded_settings.store_path.mkdir(parents=True)
    pipe = asyncio.subprocess.PIPE
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, embedded_settings.store_path, stdin=pipe, stdout=pipe
    )
    assert other.stdout is not None
    await other.stdout.readline()
    store = open_store(embedded_settings)
    with pytest.raises(StoreError, match="Another process uses the store") as error:
        await store.ping()
    assert error.value.code == "store_busy"
    await other.communicate(b"")
    await store.ping()
    await store.close()


async def test_a_second_folder_in_one_process_is_refused(embedded: Store, tmp_path: Path) -> None:
    await embedded.ping()
    other = open_store(StoreSettings(data_dir=tmp_path / "other"))
    with pytest.raises(StoreError, match="another store open") as error:
        await other.ping()
    assert error.value.code == "store_busy"
    await other.close()
    await embedded.ping()


async def test_an_unusable_folder_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = open_store(StoreSettings(data_dir=tmp_path / "file"))
    with pytest.raises(StoreError, match="LOOPIN_DATA_DIR") as error:
        await store.ping()
    assert error.value.code == "store_unreachable"
    await store.close()
