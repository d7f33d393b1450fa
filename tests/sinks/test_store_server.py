"""What is particular to a ClickHouse server: what we send it, and what becomes of its refusals."""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from loopin_sinks.store import MAX_RESULT_ROWS, Store, StoreError, StoreSettings, open_store


@pytest.fixture
async def server(server_settings: StoreSettings) -> Any:
    store = open_store(server_settings)
    yield store
    await store.close()


async def refused(settings: StoreSettings) -> StoreError:
    store = open_store(settings)
    with pytest.raises(StoreError) as error:
        await store.ping()
    await store.close()
    return error.value


async def test_queries_carry_their_limits_and_may_not_write(server: Store, clickhouse_http: Any) -> None:
    await server.query("SELECT {x:String} AS x", {"x": "private"})
    sent = clickhouse_http.requests[-1]
    assert sent["readonly"] == "2"
    assert float(sent["max_execution_time"]) == 1
    assert int(sent["max_result_rows"]) == MAX_RESULT_ROWS
    assert sent["database"] == "default"
    assert sent["param_x"] == "private"
    assert "private" not in sent.get("query", "")


async def test_streams_carry_theirs(server: Store, clickhouse_http: Any) -> None:
    async with server.stream("SELECT 1"):
        sent = clickhouse_http.requests[-1]
    assert sent["readonly"] == "2"
    assert float(sent["max_execution_time"]) == 3600
    assert "max_result_rows" not in sent


async def test_inserts_carry_their_token_and_are_synchronous(server: Store, clickhouse_http: Any) -> None:
    await server.command("CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    assert "readonly" not in clickhouse_http.requests[-1]
    await server.insert("kept", pa.table({"n": [1]}), token="topic:3:0-1:202601")
    sent = clickhouse_http.requests[-1]
    assert sent["insert_deduplication_token"] == "topic:3:0-1:202601"
    assert sent["async_insert"] == "0"


async def test_a_wrong_password_says_which_setting_to_check(server_settings: StoreSettings) -> None:
    wrong = server_settings.model_copy(update={"clickhouse_password": SecretStr("wrong")})
    error = await refused(wrong)
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


async def test_a_server_that_goes_away_is_unreachable(server: Store, clickhouse_http: Any) -> None:
    await server.ping()
    clickhouse_http.break_connections = True
    with pytest.raises(StoreError) as error:
        await server.query("SELECT 1")
    assert error.value.code == "store_unreachable"
    clickhouse_http.break_connections = False
    assert await server.query("SELECT 1 AS one") == [{"one": 1}]


async def test_a_store_connects_once_its_server_is_there(server: Store, clickhouse_http: Any) -> None:
    clickhouse_http.break_connections = True
    with pytest.raises(StoreError):
        await server.ping()
    clickhouse_http.break_connections = False
    await server.ping()


async def test_a_cancelled_query_leaves_the_pool_usable(server: Store) -> None:
    slow = asyncio.create_task(server.query("SELECT sleep(0.5)"))
    await asyncio.sleep(0.2)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    assert await server.query("SELECT 1 AS one") == [{"one": 1}]
