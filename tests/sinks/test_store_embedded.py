"""The engine inside this process: why its connections are dropped, its memory, and its folder."""

from __future__ import annotations

import asyncio
import gc
import sys
from pathlib import Path

import chdb
import pyarrow as pa
import pytest

from loopin_sinks.store import Store, StoreError, StoreSettings, open_store
from loopin_sinks.store.embedded import READERS
from loopin_sinks.store.interface import STREAMS
from tests.sinks.asking import ROWS_THEN_FAILURE, answers_are_its_own, end_queries, endless, until_running


def test_a_bare_connection_hands_a_failed_querys_rows_to_the_next(tmp_path: Path) -> None:
    """Why the store drops connections after errors. Once this fails, chDB has been repaired."""
    with chdb.connect(str(tmp_path / "bare")) as connection:
        with pytest.raises(Exception, match="non-zero"):
            connection.query(ROWS_THEN_FAILURE[0], "TSV")
        assert b"secret" in connection.query("SELECT 44", "TSV").bytes()


async def test_more_cancelled_queries_than_readers_leave_nothing_behind(embedded: Store) -> None:
    tasks = [asyncio.create_task(embedded.query(endless("cancelled"))) for _ in range(READERS * 2)]
    # The others wait for a reader.
    await until_running(embedded, "cancelled", READERS)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    await end_queries(embedded, "cancelled")
    await answers_are_its_own(embedded)


async def test_a_stream_never_closed_is_closed_when_forgotten(embedded: Store) -> None:
    async with asyncio.timeout(60):
        for _ in range(STREAMS + 1):
            context = embedded.stream("SELECT 'secret' AS s FROM numbers(10000000)")
            await anext(aiter(await context.__aenter__()))
            del context
            gc.collect()
        await answers_are_its_own(embedded)


async def test_the_engines_memory_is_bounded(embedded: Store, embedded_settings: StoreSettings) -> None:
    rows = await embedded.query("SELECT name, value FROM system.server_settings")
    values = {str(row["name"]): str(row["value"]) for row in rows}
    assert int(values["max_server_memory_usage"]) == embedded_settings.store_memory_mb << 20
    for cache in ("mark_cache_size", "primary_index_cache_size", "index_mark_cache_size"):
        assert int(values[cache]) == 64 << 20
    assert Path(values["tmp_path"]) == embedded_settings.store_path / "tmp"


async def test_a_large_grouping_goes_to_disk(tmp_path: Path) -> None:
    store = open_store(StoreSettings(data_dir=tmp_path, store_memory_mb=256))
    groups = "SELECT number % 4000000 AS k, count() FROM numbers(4000000) GROUP BY k"
    before = await _parts_on_disk(store)
    assert await store.query(f"SELECT count() AS c FROM ({groups})") == [{"c": 4_000_000}]
    assert await _parts_on_disk(store) > before
    await store.close()


async def _parts_on_disk(store: Store) -> int:
    """Parts of groupings that the engine has written to disk since this process began."""
    sql = "SELECT sum(value) AS parts FROM system.events WHERE event = 'ExternalAggregationWritePart'"
    return int((await store.query(sql))[0]["parts"])


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
