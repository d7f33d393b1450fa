"""A store whose inserts are measured."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from time import perf_counter
from typing import Any

import pyarrow as pa
from prometheus_client import CollectorRegistry

from loopin_sinks.store import RowStream, Store, StoreError
from loopin_streams.instruments import COUNTS, SECONDS, Instrument

INSERT_SECONDS = Instrument(
    "loopin_insert_duration_seconds",
    "histogram",
    "One insert into the store, failed ones included.",
    ("table",),
    SECONDS,
)
INSERT_ROWS = Instrument(
    "loopin_insert_rows", "histogram", "Rows of one insert that succeeded.", ("table",), COUNTS
)
INSERT_FAILURES = Instrument(
    "loopin_insert_failures", "counter", "Inserts that the store refused or did not answer.", ("table",)
)

STORE_METRICS = (INSERT_SECONDS, INSERT_ROWS, INSERT_FAILURES)


class MeteredStore(Store):
    """Passes everything on to ``store``, and observes its inserts in ``registry``."""

    def __init__(self, store: Store, registry: CollectorRegistry) -> None:
        self._store = store
        self._seconds = INSERT_SECONDS.histogram(registry)
        self._rows = INSERT_ROWS.histogram(registry)
        self._failures = INSERT_FAILURES.counting(registry)

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        return await self._store.query(sql, parameters)

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        return self._store.stream(sql, parameters)

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        await self._store.command(sql, parameters)

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        begun = perf_counter()
        try:
            await self._store.insert(table, rows, token=token)
        except StoreError:
            self._failures.labels(table).inc()
            raise
        finally:
            self._seconds.labels(table).observe(perf_counter() - begun)
        self._rows.labels(table).observe(len(rows))

    async def ping(self) -> None:
        await self._store.ping()

    async def version(self) -> str:
        return await self._store.version()

    async def close(self) -> None:
        await self._store.close()
