"""The store on a ClickHouse server or cluster, over HTTP(S)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from clickhouse_connect import get_async_client
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, DatabaseError

from loopin_sinks.store.errors import QUERY_TIMEOUT, STORE_UNREACHABLE, StoreError, translate, unreachable
from loopin_sinks.store.interface import STREAMS, RowStream
from loopin_sinks.store.limits import query_limits, stream_limits
from loopin_sinks.store.parameters import bind
from loopin_sinks.store.settings import StoreSettings

T = TypeVar("T")

CONNECT_TIMEOUT_S = 10.0

INSERT_TIMEOUT_S = 120.0
"""Longest silence of the server during an insert or a migration, seconds."""


class ServerStore:
    """``Store`` on a ClickHouse server, with a pool of connections; belongs to one event loop."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._query_limits = query_limits(settings.query_timeout_s)
        self._connecting = asyncio.Lock()
        self._connected: AsyncClient | None = None
        self._closed = False
        self._stream_slots = asyncio.Semaphore(STREAMS)
        self._streams: set[_ServerStream] = set()

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        values = bind(sql, parameters)
        # The engine keeps its time limit itself, unless the whole server hangs.
        limit = self._settings.query_timeout_s + CONNECT_TIMEOUT_S
        return await _translated(asyncio.wait_for(self._query(sql, values), limit))

    async def _query(self, sql: str, values: dict[str, Any] | None) -> list[dict[str, Any]]:
        client = await self._client()
        result = await client.query(sql, values, settings=self._query_limits)
        return list(result.named_results())

    @asynccontextmanager
    async def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AsyncIterator[RowStream]:
        values = bind(sql, parameters)
        # Each holds a connection of the pool, and a thread while it waits for a block.
        async with self._stream_slots:
            stream = await _ServerStream.open(await self._client(), sql, values)
            self._streams.add(stream)
            try:
                if self._closed:
                    raise _closed()
                yield stream
            finally:
                self._streams.discard(stream)
                await stream.close()

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        values = bind(sql, parameters)
        client = await self._client()
        await _translated(client.command(sql, values))

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        client = await self._client()
        # Chunks would become several blocks, and an insert is atomic only within one.
        block = rows.combine_chunks()
        # An asynchronous insert would be acknowledged before it is stored, and merged with others.
        settings = {"insert_deduplication_token": token, "async_insert": 0}
        await _translated(client.insert_arrow(table, block, settings=settings))

    async def ping(self) -> None:
        try:
            await _translated(asyncio.wait_for(self._answer(), CONNECT_TIMEOUT_S))
        except StoreError as error:
            # Without a number of ClickHouse's, the time was ours.
            if error.code != QUERY_TIMEOUT or error.engine_code is not None:
                raise
            raise unreachable() from error

    async def _answer(self) -> None:
        client = await self._client()
        await client.raw_query("SELECT 1")

    async def version(self) -> str:
        rows = await self.query("SELECT version() AS version")
        return str(rows[0]["version"])

    async def close(self) -> None:
        self._closed = True
        for stream in tuple(self._streams):
            await stream.end()
        client, self._connected = self._connected, None
        if client is not None:
            await client.close()

    async def _client(self) -> AsyncClient:
        async with self._connecting:
            if self._closed:
                raise _closed()
            if self._connected is None:
                self._connected = await _connect(self._settings)
            return self._connected


class _ServerStream:
    """``RowStream`` over one HTTP response."""

    def __init__(self, context: Any, columns: tuple[str, ...]) -> None:
        self._context = context
        self._ended = False
        self.columns = columns

    @classmethod
    async def open(cls, client: AsyncClient, sql: str, values: dict[str, Any] | None) -> _ServerStream:
        limits = stream_limits()
        # Untyped: the library annotates neither the stream nor its source.
        context: Any = await _translated(client.query_row_block_stream(sql, values, settings=limits))
        columns = tuple(context.source.column_names)
        if not columns:
            # A result without rows carries no names either.
            probe = f"SELECT * FROM (\n{sql}\n) LIMIT 0"
            columns = tuple((await _translated(client.query(probe, values, settings=limits))).column_names)
        return cls(await context.__aenter__(), columns)

    def __aiter__(self) -> AsyncIterator[list[tuple[Any, ...]]]:
        return self

    async def __anext__(self) -> list[tuple[Any, ...]]:
        try:
            block: list[tuple[Any, ...]] = await _translated(self._context.__anext__())
        except (StopAsyncIteration, StoreError) as end:
            if self._ended:
                # What was cut off here would otherwise look complete.
                raise _closed() from end
            raise
        return block

    async def close(self) -> None:
        await self._context.__aexit__(None, None, None)

    async def end(self) -> None:
        """Close it under its reader, who is then told so."""
        self._ended = True
        await self.close()


def _closed() -> StoreError:
    return StoreError(STORE_UNREACHABLE, "The store is closed.")


async def _connect(settings: StoreSettings) -> AsyncClient:
    url = urlsplit(settings.clickhouse_url)
    try:
        return await get_async_client(
            interface=url.scheme,
            host=url.hostname,
            port=url.port,
            proxy_path=url.path.rstrip("/"),
            username=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            database=settings.clickhouse_database,
            tz_mode="aware",
            connect_timeout=CONNECT_TIMEOUT_S,
            send_receive_timeout=max(INSERT_TIMEOUT_S, settings.query_timeout_s + CONNECT_TIMEOUT_S),
        )
    except ClickHouseError as error:
        # Without a number of ClickHouse's, something else answers at that address.
        raise (unreachable() if getattr(error, "code", None) is None else translate(error)) from error


async def _translated(call: Awaitable[T]) -> T:
    try:
        return await call
    except StopAsyncIteration:
        raise
    except Exception as error:
        # This class itself stands for an HTTP status; without a number it is a proxy's.
        from_proxy = type(error) is DatabaseError and error.code is None
        raise (unreachable() if from_proxy else translate(error)) from error
