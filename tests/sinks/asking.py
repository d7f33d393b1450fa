"""What tests ask a store, and how they wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import pytest

from loopin_sinks.store import Store

DEADLINE_S = 60.0
"""Longest that a test waits for anything, seconds."""

ROWS_THEN_FAILURE = (
    "SELECT 'secret' AS s, throwIf(number = 50000) FROM numbers(100000) SETTINGS max_block_size = 1000",
    "SELECT 'secret' AS s, number FROM numbers(100000) "
    "SETTINGS max_block_size = 1000, max_result_rows = 5000",
    "SELECT 'secret' AS s, sleepEachRow(0.001) FROM numbers(100000) "
    "SETTINGS max_block_size = 10, max_execution_time = 0.1",
    "SELECT 'secret' AS s, length(range(number * 1000)) FROM numbers(100000) "
    "SETTINGS max_block_size = 10, max_memory_usage = 30000000",
)
"""Queries that fail when they have produced rows."""


async def until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Return once the condition holds; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not: {what}")
        await asyncio.sleep(0.01)


async def exported(
    store: Store, sql: str, parameters: Mapping[str, object] | None = None
) -> list[tuple[object, ...]]:
    """Every row of a stream."""
    async with store.stream(sql, parameters) as rows:
        return [row async for block in rows for row in block]


async def answers_are_its_own(store: Store) -> None:
    """More queries at once than an embedded store has readers, each with an answer of its own."""
    answers = await asyncio.gather(*(store.query("SELECT {i:UInt32} AS mine", {"i": i}) for i in range(9)))
    assert answers == [[{"mine": i}] for i in range(9)]


async def until_running(store: Store, marker: str, number: int = 1) -> None:
    """Return once so many queries with this text in them are running in the engine."""
    sql = (
        "SELECT count() FROM system.processes "
        "WHERE position(query, {marker:String}) > 0 AND position(query, 'system.processes') = 0"
    )
    deadline = time.monotonic() + DEADLINE_S
    # A stream, because the embedded store's readers may all be busy with what is asked for.
    while (await exported(store, sql, {"marker": marker}))[0][0] != number:
        assert time.monotonic() < deadline, f"there are never {number} queries with {marker}"
