from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from loopin_sinks.store import StoreError
from loopin_sinks.store.errors import STORE_UNREACHABLE
from loopin_sinks.tasks.by_project import by_project
from loopin_sinks.tasks.task import Context
from loopin_streams.kafka.config_state import Configuration


class Seen:
    """What a context is told."""

    def __init__(self) -> None:
        self.progress: list[tuple[int, int]] = []
        self.worked: list[str] = []
        unused: Any = None
        self.context = Context(
            store=unused,
            configuration=Configuration(),
            scope=unused,
            clock=lambda: datetime(2026, 1, 15, tzinfo=UTC),
            arguments=None,
            progress=lambda done, total: self.progress.append((done, total)),
        )

    async def work(self, project: str, *, failing: dict[str, str]) -> int:
        self.worked.append(project)
        if project in failing:
            raise StoreError(failing[project], f"{project} failed.")
        return len(project)


async def test_rows_are_added_up_and_progress_is_told() -> None:
    seen = Seen()
    assert await by_project(seen.context, ["a", "bcd"], lambda name: seen.work(name, failing={})) == 4
    assert seen.progress == [(0, 2), (1, 2), (2, 2)]


async def test_a_project_that_fails_keeps_no_other_from_its_work() -> None:
    seen, failing = Seen(), {"b": "query_failed"}
    with pytest.raises(StoreError, match="b failed"):
        await by_project(seen.context, ["a", "b", "c"], lambda name: seen.work(name, failing=failing))
    assert seen.worked == ["a", "b", "c"]
    assert seen.progress[-1] == (3, 3)


async def test_a_store_that_is_away_is_asked_no_further() -> None:
    seen, failing = Seen(), {"b": STORE_UNREACHABLE}
    with pytest.raises(StoreError, match="b failed"):
        await by_project(seen.context, ["a", "b", "c"], lambda name: seen.work(name, failing=failing))
    assert seen.worked == ["a", "b"]


async def test_nothing_to_do() -> None:
    seen = Seen()
    assert await by_project(seen.context, [], lambda name: seen.work(name, failing={})) == 0
