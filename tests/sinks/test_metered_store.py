"""Inserts are measured, and everything else passes through unchanged."""

from __future__ import annotations

from typing import cast

import pyarrow as pa
import pytest
from prometheus_client import CollectorRegistry

from loopin_sinks.metered_store import MeteredStore
from loopin_sinks.store import Store, StoreError

ROWS = pa.table({"number": pa.array([1, 2, 3], pa.int64())})


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


async def test_rows_and_durations_are_counted_by_table(embedded: Store, registry: CollectorRegistry) -> None:
    store = MeteredStore(embedded, registry)
    for table in ("a", "b"):
        await store.command(f"CREATE TABLE {table} (number Int64) ENGINE = MergeTree ORDER BY number")
    await store.insert("a", ROWS, token="1")
    await store.insert("a", ROWS.slice(0, 2), token="2")
    await store.insert("b", ROWS, token="3")

    assert await store.query("SELECT count() AS rows FROM a") == [{"rows": 5}]
    async with store.stream("SELECT number FROM b ORDER BY number") as stream:
        assert [row async for block in stream for row in block] == [(1,), (2,), (3,)]
    await store.ping()
    assert await store.version() == await embedded.version()
    for table, inserts, rows in (("a", 2, 5), ("b", 1, 3)):
        labels = {"table": table}
        assert registry.get_sample_value("loopin_insert_rows_sum", labels) == rows
        assert registry.get_sample_value("loopin_insert_rows_count", labels) == inserts
        assert registry.get_sample_value("loopin_insert_duration_seconds_count", labels) == inserts
        assert (registry.get_sample_value("loopin_insert_duration_seconds_sum", labels) or 0) > 0
        assert registry.get_sample_value("loopin_insert_failures_total", labels) is None
    await store.close()
    with pytest.raises(StoreError):
        await embedded.ping()


async def test_a_refused_insert_is_a_failure_and_no_rows(registry: CollectorRegistry) -> None:
    class Refusing:
        async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
            raise StoreError("store_unreachable", "ClickHouse does not answer.")

    store = MeteredStore(cast(Store, Refusing()), registry)
    with pytest.raises(StoreError, match="does not answer"):
        await store.insert("events", ROWS, token="1")
    labels = {"table": "events"}
    assert registry.get_sample_value("loopin_insert_failures_total", labels) == 1
    assert registry.get_sample_value("loopin_insert_duration_seconds_count", labels) == 1
    assert registry.get_sample_value("loopin_insert_rows_count", labels) is None
