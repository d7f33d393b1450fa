"""The store with the ClickHouse engine inside this process (chDB)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from loopin_sinks.store.engine import Engine, Lane
from loopin_sinks.store.errors import STORE_UNREACHABLE, StoreError
from loopin_sinks.store.interface import STREAMS, RowStream
from loopin_sinks.store.limits import Limits, query_limits, spill_limits, stream_limits
from loopin_sinks.store.parameters import bind
from loopin_sinks.store.settings import StoreSettings

READERS = 3
"""Queries that run at once; more wait for a thread."""


class EmbeddedStore:
    """``Store`` on a folder of this machine, for one process at a time.

    Writing, querying and each stream have connections and threads of their own, so that none waits for
    another kind. A stream's connection is opened for it and closed with it.
    """

    def __init__(self, settings: StoreSettings) -> None:
        memory_bytes = settings.store_memory_mb << 20
        self._engine = Engine(settings.store_path.absolute(), memory_bytes)
        self._spill = spill_limits(memory_bytes)
        self._writer = self._lane("writer", 1, {})
        self._readers = self._lane("reader", READERS, query_limits(settings.query_timeout_s))
        self._stream_slots = asyncio.Semaphore(STREAMS)
        self._streams: set[Lane] = set()
        self._closed = False

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        values = bind(sql, parameters)
        return await self._readers.run(lambda client: list(client.query(sql, values).named_results()))

    @asynccontextmanager
    async def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AsyncIterator[RowStream]:
        values = bind(sql, parameters)
        async with self._stream_slots:
            if self._closed:
                raise StoreError(STORE_UNREACHABLE, "The store is closed.")
            lane = self._lane("stream", 1, stream_limits())
            self._streams.add(lane)
            try:
                yield await _EmbeddedStream.open(lane, sql, values)
            finally:
                self._streams.discard(lane)
                await asyncio.shield(lane.close())

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        values = bind(sql, parameters)
        await self._writer.run(lambda client: client.command(sql, values))

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        # Chunks would become several blocks, and an insert is atomic only within one.
        block = rows.combine_chunks()
        settings = {"insert_deduplication_token": token}
        await self._writer.run(lambda client: client.insert_arrow(table, block, settings=settings))

    async def ping(self) -> None:
        await self._readers.run(lambda client: client.raw_query("SELECT 1"))

    async def version(self) -> str:
        return await self._readers.run(lambda client: str(client.server_version))

    async def close(self) -> None:
        self._closed = True
        for lane in (*self._streams, self._readers, self._writer):
            await lane.close()
        await asyncio.to_thread(self._engine.close)

    def _lane(self, name: str, threads: int, limits: Limits) -> Lane:
        return Lane(name, threads, lambda: self._engine.connect(self._spill | limits))


class _EmbeddedStream:
    """``RowStream`` on a connection that nobody else uses."""

    def __init__(self, lane: Lane, context: Any, columns: tuple[str, ...]) -> None:
        self._lane = lane
        self._context = context
        self.columns = columns

    @classmethod
    async def open(cls, lane: Lane, sql: str, values: dict[str, Any] | None) -> _EmbeddedStream:
        def start(client: Client) -> tuple[Any, tuple[str, ...]]:
            # Untyped: the library annotates neither the stream nor its source.
            context: Any = client.query_row_block_stream(sql, values)
            context.__enter__()
            columns = tuple(context.source.column_names)
            if not columns:
                # A result without rows carries no names either.
                context.__exit__(None, None, None)
                columns = tuple(client.query(f"SELECT * FROM (\n{sql}\n) LIMIT 0", values).column_names)
            return context, columns

        return cls(lane, *await lane.run(start))

    def __aiter__(self) -> AsyncIterator[list[tuple[Any, ...]]]:
        return self

    async def __anext__(self) -> list[tuple[Any, ...]]:
        block = await self._lane.run(lambda _: self._next())
        if block is None:
            raise StopAsyncIteration
        return block

    def _next(self) -> list[tuple[Any, ...]] | None:
        if self._context.gen is None:
            return None
        return next(self._context, None)
