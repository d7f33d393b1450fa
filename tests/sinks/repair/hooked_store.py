"""A real store with a say around each of its calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from loopin_sinks.store import RowStream, Store

Hook = Callable[[str, Mapping[str, object]], Awaitable[None]]
"""Called with what is done ("insert TABLE", "query" or "command") and its parameters; may raise or wait."""


async def _nothing(what: str, parameters: Mapping[str, object]) -> None:
    return


@dataclass
class HookedStore:
    """``store`` with hooks; ``calls`` are those that had their effect."""

    store: Store
    before: Hook = _nothing
    after: Hook = _nothing
    calls: list[str] = field(default_factory=list)

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        await self._around(f"insert {table}", {}, self.store.insert(table, rows, token=token))

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._around(
            "query", parameters or {}, self.store.query(sql, parameters)
        )
        return found

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        return self.store.stream(sql, parameters)

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        await self._around("command", parameters or {}, self.store.command(sql, parameters))

    async def ping(self) -> None:
        await self.store.ping()

    async def version(self) -> str:
        return await self.store.version()

    async def close(self) -> None:
        await self.store.close()

    async def _around(self, what: str, parameters: Mapping[str, object], call: Any) -> Any:
        try:
            await self.before(what, parameters)
        except BaseException:
            call.close()
            raise
        found = await call
        self.calls.append(what)
        await self.after(what, parameters)
        return found
