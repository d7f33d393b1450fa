"""An embedded store for the tests of a module, emptied before each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from loopin_sinks.store import Store
from tests.migrated import migrated_store


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    async with migrated_store(tmp_path_factory.mktemp("history"), migrated) as store:
        yield store


@pytest_asyncio.fixture(loop_scope="module")
async def store(opened: Store) -> Store:
    rolled = ("person_days", "user_firsts", "rolled_days", "rollup_looks", "session_days")
    kept = ("metric_values", "metric_changes", "metric_looks")
    for table in ("events", "person_distinct_ids", *kept, *rolled):
        await opened.command(f"TRUNCATE TABLE {table}")
    return opened
