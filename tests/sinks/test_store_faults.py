"""A server, or the way to it, that fails: the store says so, never waits for ever, and works again after."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest

from loopin_sinks.store import Store, StoreError, StoreSettings, open_store
from loopin_sinks.store.interface import STREAMS
from tests.clickhouse import AnyFault, ClickHouseServer, Cut, Down, Error, Reset, Slow
from tests.sinks.asking import exported, until

KEPT = (
    "CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n "
    "SETTINGS non_replicated_deduplication_window = 9"
)
ROWS = pa.table({"n": [1, 2]})

FAULTS_AND_CODES: list[tuple[AnyFault, str]] = [
    (Down(), "store_unreachable"),
    (Error(code=202), "store_unreachable"),
    (Error(code=241), "query_failed"),
    (Error(code=243), "disk_full"),
    (Error(code=159, status=408), "query_timeout"),
    (Error(code=None, status=502), "store_unreachable"),
    (Error(code=None, status=503), "store_unreachable"),
    (Error(code=None, status=404), "store_unreachable"),
]


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize(("fault", "code"), FAULTS_AND_CODES)
async def test_each_fault_has_its_code_and_leaves_the_store_usable(
    server: Store, clickhouse: ClickHouseServer, fault: AnyFault, code: str, connected: bool
) -> None:
    if connected:
        await server.ping()
    calls = (
        lambda: server.query("SELECT 1"),
        lambda: server.command("SYSTEM FLUSH LOGS"),
        lambda: server.insert("kept", ROWS, token="a"),
        lambda: exported(server, "SELECT 1"),
        lambda: server.ping(),
    )
    clickhouse.faults.add(fault)
    for call in calls:
        with pytest.raises(StoreError) as error:
            await call()
        assert error.value.code == code
    clickhouse.faults.clear()
    assert await server.query("SELECT 1 AS one") == [{"one": 1}]


async def test_a_server_that_hangs_is_not_waited_for(
    server_settings: StoreSettings, clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(server_settings.model_copy(update={"query_timeout_s": 0.2}))
    for _ in ("not connected yet", "connected"):
        clickhouse.faults.add(Slow(seconds=600))
        with monkeypatch.context() as impatient:
            impatient.setattr("loopin_sinks.store.server.CONNECT_TIMEOUT_S", 0.2)
            async with asyncio.timeout(60):
                with pytest.raises(StoreError) as error:
                    await store.query("SELECT 1")
                assert error.value.code == "query_timeout"
                with pytest.raises(StoreError) as error:
                    await store.ping()
                assert error.value.code == "store_unreachable"
        clickhouse.faults.clear()
        await store.ping()
    await store.close()


async def test_an_insert_into_a_server_that_hangs_ends(
    server_settings: StoreSettings, clickhouse: ClickHouseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_sinks.store.server.CONNECT_TIMEOUT_S", 1.0)
    monkeypatch.setattr("loopin_sinks.store.server.INSERT_TIMEOUT_S", 0.2)
    store = open_store(server_settings.model_copy(update={"query_timeout_s": 0.2}))
    clickhouse.faults.add(Slow(seconds=600, only="insert"))
    async with asyncio.timeout(60):
        with pytest.raises(StoreError) as error:
            await store.insert("kept", ROWS, token="a")
    assert error.value.code == "store_unreachable"
    await store.close()


async def test_a_slow_server_is_waited_for(server: Store, clickhouse: ClickHouseServer) -> None:
    await server.command(KEPT)
    clickhouse.faults.add(Slow(seconds=0.1, factor=10))
    await server.insert("kept", ROWS, token="a")
    assert await server.query("SELECT n FROM kept ORDER BY n") == [{"n": 1}, {"n": 2}]
    assert await exported(server, "SELECT n FROM kept ORDER BY n") == [(1,), (2,)]


@pytest.mark.parametrize("after_bytes", [0, 100, 10**9])
async def test_an_insert_that_was_cut_off_before_it_ran_is_sent_again_once(
    server: Store, clickhouse: ClickHouseServer, after_bytes: int
) -> None:
    await server.command(KEPT)
    clickhouse.faults.add(Reset(after_bytes=after_bytes, times=1))
    await server.insert("kept", ROWS, token="a")
    assert await server.query("SELECT n FROM kept ORDER BY n") == [{"n": 1}, {"n": 2}]
    clickhouse.faults.add(Reset(after_bytes=after_bytes, times=2))
    with pytest.raises(StoreError) as error:
        await server.insert("kept", ROWS, token="b")
    assert error.value.code == "store_unreachable"
    assert await server.query("SELECT count() AS c FROM kept") == [{"c": 2}]


@pytest.mark.parametrize("times", [1, 2])
async def test_an_insert_whose_answer_was_lost_is_stored_once(
    server: Store, clickhouse: ClickHouseServer, times: int
) -> None:
    await server.command(KEPT)
    clickhouse.faults.add(Reset(executed=True, times=times))
    if times == 1:
        # The client sends it again, and the token keeps its rows out.
        await server.insert("kept", ROWS, token="a")
    else:
        with pytest.raises(StoreError):
            await server.insert("kept", ROWS, token="a")
    assert sum("insert_deduplication_token" in sent for sent in clickhouse.requests) == 2
    assert await server.query("SELECT n FROM kept ORDER BY n") == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("after_bytes", [0, 1, 1000, 100_000, 700_000])
async def test_a_result_that_was_cut_off_never_looks_complete(
    server: Store, clickhouse: ClickHouseServer, after_bytes: int
) -> None:
    await server.ping()
    clickhouse.faults.add(Cut(after_bytes=after_bytes))
    for call in (
        exported(server, "SELECT number, cityHash64(number) FROM numbers(300000)"),
        server.query("SELECT number, cityHash64(number) FROM numbers(100000)"),
    ):
        with pytest.raises(StoreError) as error:
            await call
        assert error.value.code in ("query_failed", "store_unreachable")
    clickhouse.faults.clear()
    assert len(await exported(server, "SELECT number FROM numbers(300000)")) == 300_000


async def test_streams_of_a_server_that_hangs_hold_up_no_query(
    server: Store, clickhouse: ClickHouseServer
) -> None:
    await server.ping()
    clickhouse.faults.add(Slow(seconds=60, times=STREAMS))
    streams = [asyncio.create_task(exported(server, "SELECT 1")) for _ in range(STREAMS * 5)]
    await until(lambda: not clickhouse.faults.left(), "as many streams hang as may be open")
    for number in range(10):
        assert await server.query("SELECT {n:UInt8} AS n", {"n": number}) == [{"n": number}]
    assert not any(task.done() for task in streams)
    for task in streams:
        task.cancel()
    await asyncio.gather(*streams, return_exceptions=True)
    assert await exported(server, "SELECT 1") == [(1,)]


async def test_a_store_that_is_closed_while_a_stream_opens_ends_the_stream(
    server: Store, clickhouse: ClickHouseServer
) -> None:
    await server.ping()
    clickhouse.faults.add(Slow(seconds=600, times=1))
    sql = "SELECT number, repeat('x', 200) FROM numbers(1000000)"
    opening = asyncio.create_task(exported(server, sql))
    await until(lambda: not clickhouse.faults.left(), "the stream is asked for")
    closing = asyncio.create_task(server.close())
    with pytest.raises(StoreError, match="closed"):
        await server.ping()
    clickhouse.faults.clear()
    async with asyncio.timeout(60):
        await closing
    with pytest.raises(StoreError, match="closed"):
        await opening
