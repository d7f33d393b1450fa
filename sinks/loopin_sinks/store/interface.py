"""What a store offers, whichever ClickHouse is behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import pyarrow as pa

MAX_RESULT_ROWS = 100_000
"""Most rows that ``query`` returns; more raise ``query_failed``, ``stream`` has no such limit."""

STREAMS = 4
"""Streams that are open at once; more wait for one to end."""

STREAM_BLOCK_ROWS = 8192
"""Most rows in one block of a stream: it bounds memory at about 20 MB for wide events."""

STREAM_TIMEOUT_S = 3600
"""Longest run of one stream, seconds, its reader's pauses included."""


class RowStream(Protocol):
    """An open result that is read block by block in constant memory."""

    columns: tuple[str, ...]

    def __aiter__(self) -> AsyncIterator[list[tuple[Any, ...]]]: ...


class Store(Protocol):
    """A ClickHouse database. Safe to use from many tasks of one event loop.

    In SQL a parameter is written ``{name:Type}`` and bound by the engine; times are given as aware
    ``datetime`` for ``DateTime64(3, 'UTC')`` and come back aware, in UTC. Every method raises
    ``StoreError`` only.
    """

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        """Rows of a reading query, at most ``MAX_RESULT_ROWS``, within the setting ``query_timeout_s``."""
        ...

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        """Open a reading query: ``async with store.stream(...) as rows: async for block in rows``.

        Waits while ``STREAMS`` are open. Rows that came before an error count for nothing: the error may be
        the first sign that the result is not whole.
        """
        ...

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement that changes the store and returns no rows."""
        ...

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        """Insert rows as one block; the same token again inserts nothing.

        Atomic for one partition of the table (one month of events): see ``rows.by_month``. The token must
        not be used for other rows: ClickHouse would drop them silently.
        """
        ...

    async def ping(self) -> None:
        """Return when the store answers."""
        ...

    async def version(self) -> str:
        """The engine's version, e.g. ``26.9.2.1``."""
        ...

    async def close(self) -> None:
        """Wait for what runs, then release everything; a second call does nothing.

        Open streams are not waited for: whoever reads one on gets ``store_unreachable``.
        """
        ...
