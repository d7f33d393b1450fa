"""What is remembered of the personas of projects that have none yet."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from loopin_api.queries import first_personas
from loopin_api.queries.first_personas import REMEMBERED, REMEMBERED_FOR, TOO_FEW_FOR, FirstPersonas
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)
STORE = cast(Store, None)


class Searches:
    """Searches that go on until they are let go; those of ``small`` find too few users."""

    def __init__(self) -> None:
        self.of: Counter[str] = Counter()
        self.going_on = self.most = 0
        self.begun, self.released = asyncio.Event(), asyncio.Event()

    async def __call__(self, store: Store, scope: Scope, *_: Any) -> Any:
        self.of[scope.project] += 1
        self.going_on += 1
        self.most = max(self.most, self.going_on)
        self.begun.set()
        await self.released.wait()
        self.going_on -= 1
        return None if scope.project == "small" else scope.project


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> Searches:
    found = Searches()
    monkeypatch.setattr(first_personas, "found_now", found)
    return found


def scope(project: str, after: timedelta = timedelta()) -> Scope:
    return Scope(project=project, zone=UTC, now=NOW + after)


@pytest.mark.asyncio
async def test_one_search_at_a_time_and_one_for_all_who_ask_the_same(searches: Searches) -> None:
    known = FirstPersonas()
    asked = [asyncio.create_task(known.of(STORE, scope(name))) for name in ("a", "b", "a", "b", "a")]
    searches.released.set()
    assert [str((await each).run) for each in asked] == ["a", "b", "a", "b", "a"]
    assert (searches.of, searches.most) == ({"a": 1, "b": 1}, 1)


@pytest.mark.asyncio
async def test_what_is_known_waits_for_no_other_search(searches: Searches) -> None:
    known = FirstPersonas()
    searches.released.set()
    await known.of(STORE, scope("a"))
    searches.released.clear()
    searches.begun.clear()
    other = asyncio.create_task(known.of(STORE, scope("b")))
    await searches.begun.wait()
    assert str((await asyncio.wait_for(known.of(STORE, scope("a")), 60)).run) == "a"
    searches.released.set()
    await other


@pytest.mark.asyncio
async def test_it_is_told_again_for_a_while_and_that_there_are_too_few_for_a_shorter_one(
    searches: Searches,
) -> None:
    known, moment = FirstPersonas(), timedelta(seconds=1)
    searches.released.set()
    for project, held in (("large", REMEMBERED_FOR), ("small", TOO_FEW_FOR)):
        first = await known.of(STORE, scope(project))
        assert await known.of(STORE, scope(project, held - moment)) == first
        assert searches.of[project] == 1
        assert (await known.of(STORE, scope(project, held))).at == NOW + held
        assert searches.of[project] == 2


@pytest.mark.asyncio
async def test_no_more_runs_are_held_than_a_few(searches: Searches) -> None:
    known = FirstPersonas()
    searches.released.set()
    for number in range(REMEMBERED + 1):
        await known.of(STORE, scope(f"p{number}"))
    await known.of(STORE, scope(f"p{REMEMBERED}"))
    await known.of(STORE, scope("p0"))
    assert (searches.of["p0"], searches.of[f"p{REMEMBERED}"]) == (2, 1)
