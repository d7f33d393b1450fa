"""What tests ask a store, and how they wait for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

import pytest

from loopin_sinks.store import Store

DEADLINE_S = 300.0
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


async def still_owner(_: int) -> None:
    """A partition that is never given to another sink."""


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


def endless(marker: str) -> str:
    """A query with this text in it, whose rows come until it is ended, for a minute at most."""
    return (
        f"SELECT 'secret' AS {marker}, sleepEachRow(0.01) FROM numbers(1000000) "
        f"SETTINGS max_block_size = 1, max_execution_time = {DEADLINE_S:.0f}"
    )


async def end_queries(store: Store, marker: str) -> None:
    """End the queries with this text in them: a cancelled one runs on in the engine."""
    await store.command(f"KILL QUERY WHERE position(query, '{marker}') > 0 ASYNC")
    await until_ended(store, marker)


async def until_running(store: Store, marker: str, number: int = 1) -> None:
    """Return once at least so many queries with this text in them are running in the engine."""
    deadline = time.monotonic() + DEADLINE_S
    while await _running(store, marker) < number:
        assert time.monotonic() < deadline, f"there are never {number} queries with {marker}"


async def until_ended(store: Store, marker: str) -> None:
    """Return once no query with this text in it is running in the engine."""
    deadline = time.monotonic() + DEADLINE_S
    while await _running(store, marker):
        assert time.monotonic() < deadline, f"a query with {marker} never ends"


async def _running(store: Store, marker: str) -> int:
    sql = (
        "SELECT count() FROM system.processes "
        "WHERE position(query, {marker:String}) > 0 AND position(query, 'system.processes') = 0"
    )
    # A stream, because the embedded store's readers may all be busy with what is asked for.
    return int(str((await exported(store, sql, {"marker": marker}))[0][0]))
