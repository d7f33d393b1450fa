"""What is particular to a ClickHouse server: what we send it, and what becomes of its refusals."""

from __future__ import annotations

import asyncio

import pyarrow as pa
import pytest
from pydantic import SecretStr

from loopin_sinks.store import MAX_RESULT_ROWS, Store, StoreError, StoreSettings, open_store
from loopin_sinks.store.interface import STREAM_TIMEOUT_S
from tests.clickhouse import ClickHouseServer
from tests.sinks.asking import end_queries, endless, until_running


async def refused(settings: StoreSettings) -> StoreError:
    store = open_store(settings)
    with pytest.raises(StoreError) as error:
        await store.ping()
    await store.close()
    return error.value


async def test_queries_carry_their_limits_and_may_not_write(
    server: Store, server_settings: StoreSettings, clickhouse: ClickHouseServer
) -> None:
    await server.query("SELECT {x:String} AS x", {"x": "private"})
    sent = clickhouse.requests[-1]
    assert sent["readonly"] == "2"
    assert float(sent["max_execution_time"]) == server_settings.query_timeout_s
    assert int(sent["max_result_rows"]) == MAX_RESULT_ROWS
    assert sent["database"] == "default"
    assert sent["param_x"] == "private"
    assert "query" not in sent


async def test_streams_carry_theirs(server: Store, clickhouse: ClickHouseServer) -> None:
    async with server.stream("SELECT 1"):
        sent = clickhouse.requests[-1]
    assert sent["readonly"] == "2"
    assert float(sent["max_execution_time"]) == STREAM_TIMEOUT_S
    assert "max_result_rows" not in sent


async def test_inserts_carry_their_token_and_are_synchronous(
    server: Store, clickhouse: ClickHouseServer
) -> None:
    await server.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    assert "readonly" not in clickhouse.requests[-1]
    await server.insert("kept", pa.table({"n": [1]}), token="topic:3:0-1:202601")
    sent = clickhouse.requests[-1]
    assert sent["insert_deduplication_token"] == "topic:3:0-1:202601"
    assert sent["async_insert"] == "0"


async def test_the_database_of_the_settings_is_used(server_settings: StoreSettings, server: Store) -> None:
    await server.command("CREATE DATABASE other")
    other = open_store(server_settings.model_copy(update={"clickhouse_database": "other"}))
    await other.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    await other.insert("kept", pa.table({"n": [1]}), token="a")
    assert await other.query("SELECT currentDatabase() AS d, n FROM kept") == [{"d": "other", "n": 1}]
    await other.close()
    assert await server.query("SELECT n FROM other.kept") == [{"n": 1}]


async def test_a_missing_database_says_which_setting_to_check(server_settings: StoreSettings) -> None:
    error = await refused(server_settings.model_copy(update={"clickhouse_database": "nowhere"}))
    assert error.code == "query_failed"
    assert "LOOPIN_CLICKHOUSE_DATABASE" in str(error)


async def test_a_wrong_password_says_which_setting_to_check(server_settings: StoreSettings) -> None:
    error = await refused(server_settings.model_copy(update={"clickhouse_password": SecretStr("wrong")}))
    assert error.code == "store_unreachable"
    assert "LOOPIN_CLICKHOUSE_PASSWORD" in str(error)
    assert "wrong" not in str(error)


async def test_nobody_at_the_address_says_which_setting_to_check(unused_tcp_port: int) -> None:
    error = await refused(StoreSettings(clickhouse_url=f"http://127.0.0.1:{unused_tcp_port}"))
    assert error.code == "store_unreachable"
    assert "LOOPIN_CLICKHOUSE_URL" in str(error)


async def test_something_else_at_the_address_is_unreachable() -> None:
    async def not_clickhouse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(not_clickhouse, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        error = await refused(StoreSettings(clickhouse_url=f"http://127.0.0.1:{port}"))
    assert error.code == "store_unreachable"


async def test_a_cancelled_query_leaves_the_pool_usable(server: Store) -> None:
    # More often than the pool has connections.
    for number in range(25):
        marker = f"slow_{number}_th"
        slow = asyncio.create_task(server.query(endless(marker)))
        await until_running(server, marker)
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
        await end_queries(server, marker)
    assert await server.query("SELECT 1 AS one") == [{"one": 1}]
