"""The real store with failures around each insert of events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from loopin_sinks.store import RowStream, Store, StoreError
from loopin_sinks.writer import TABLE


@dataclass
class Inserted:
    """One call of ``insert`` for the table of events."""

    partition: int
    offsets: list[int]
    months: set[str]
    token: str


@dataclass
class FaultyStore:
    """The real store, with a say before and after each insert; what is raised there stands for a failure."""

    store: Store
    before: Callable[[Inserted], Any] | None = None
    after: Callable[[Inserted], Any] | None = None
    inserts: list[Inserted] = field(default_factory=list)
    failing: bool = False
    stands_still: bool = False
    """An insert has come to where it never returns from."""

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        if table != TABLE:
            self._check()
            await self.store.insert(table, rows, token=token)
            return
        call = Inserted(
            rows["_partition"][0].as_py(),
            rows["_offset"].to_pylist(),
            {moment.strftime("%Y%m") for moment in rows["timestamp"].to_pylist()},
            token,
        )
        self.inserts.append(call)
        self._check()
        if self.before is not None and (waited := self.before(call)) is not None:
            await waited
        await self.store.insert(table, rows, token=token)
        if self.after is not None and (waited := self.after(call)) is not None:
            await waited

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        self._check()
        return await self.store.query(sql, parameters)

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        self._check()
        return self.store.stream(sql, parameters)

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        await self.store.command(sql, parameters)

    async def ping(self) -> None:
        await self.store.ping()

    async def version(self) -> str:
        return await self.store.version()

    async def close(self) -> None:
        await self.store.close()

    def _check(self) -> None:
        if self.failing:
            raise StoreError("store_unreachable", "ClickHouse does not answer.")


def stand_still_at(store: FaultyStore, insert: int, when: str) -> None:
    """Never return from the ``insert``-th insert, before or after it has really happened."""

    async def never() -> None:
        store.stands_still = True
        await asyncio.Event().wait()

    def at(_: Inserted) -> Any:
        return never() if len(store.inserts) == insert else None

    setattr(store, when, at)
