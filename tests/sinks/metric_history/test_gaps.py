"""Gaps in what is kept of metrics fill by themselves, whatever stopped, failed or was killed before."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from loopin_schemas.metrics import Grain
from loopin_sinks.metric_history.changes import changes_of
from loopin_sinks.metric_history.late import looked
from loopin_sinks.metric_history.stored import METRIC_VALUES
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.store import Store, StoreError
from loopin_sinks.tasks import calculate_metrics as calculating
from tests.seeds import seeds
from tests.sinks.metric_history.history import NOW, PROJECT, event, kept, put, run, utc_scope

pytestmark = pytest.mark.asyncio(loop_scope="module")

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TODAY = NOW.replace(hour=0, minute=0)
NAMES = ["page_views", "dau"]

Visit = tuple[datetime, str]


class Killed(BaseException):
    """The process is gone."""


class Fragile:
    """A store whose process dies at an insert of values: before it, or when one year's part is in."""

    def __init__(self, store: Store, dies: int, *, part: bool) -> None:
        self._store = store
        self._left = dies
        self._part = part

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def insert(self, table: str, rows: pa.Table, *, token: str) -> None:
        if table == METRIC_VALUES:
            self._left -= 1
            if self._left < 0:
                if self._part:
                    years = pc.year(rows["start"])
                    kept_part = rows.filter(pc.equal(years, pc.max(years)))
                    half = kept_part.slice(0, kept_part.num_rows // 2 + 1)
                    await self._store.insert(table, half, token=token)
                raise Killed
        await self._store.insert(table, rows, token=token)


def expected(visits: list[Visit], first: datetime, until: datetime, length: timedelta) -> dict[datetime, int]:
    found = {}
    while first + length <= until:
        found[first] = sum(first <= at < first + length for at, _ in visits)
        first += length
    return found


async def test_what_was_missed_in_the_middle_is_filled(store: Store) -> None:
    visits = [(TODAY - day * DAY + HOUR, f"u{day}") for day in range(1, 21) for _ in range(day)]
    await put(store, *(event(at, user=user) for at, user in visits))
    await run(store, names=NAMES)
    await run(store, names=NAMES)
    grains: tuple[Grain, ...] = ("hour", "day")
    whole = {(name, grain): await kept(store, name, grain) for name in NAMES for grain in grains}
    lost = [TODAY - 9 * DAY, TODAY - 4 * DAY, TODAY - 4 * DAY + 5 * HOUR, TODAY - 15 * DAY + 7 * HOUR]
    await store.command(
        "DELETE FROM metric_values WHERE metric = 'page_views' AND grain IN ('hour', 'day') "
        "AND start IN (SELECT arrayJoin({lost:Array(DateTime64(3, 'UTC'))}))",
        {"lost": lost},
    )
    assert await run(store, names=NAMES) == 4 + 2, "four hours and the two days that begin with one"
    assert {(name, grain): await kept(store, name, grain) for name, grain in whole} == whole
    assert (await changes_of(store, PROJECT, "run", 10))[0] == 0, "what is new replaces nothing"
    assert await run(store, names=NAMES) == 0


async def test_a_metric_that_is_refused_keeps_no_other_from_its_own_and_is_filled_later(store: Store) -> None:
    class Refusing:
        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        async def query(
            self, sql: str, parameters: Mapping[str, object] | None = None
        ) -> list[dict[str, Any]]:
            if "groupUniqArray" in sql:
                raise StoreError("query_failed", "The query needs more memory than it may use.")
            return await store.query(sql, parameters)

    await put(store, *(event(TODAY - day * DAY + HOUR) for day in range(1, 6)))
    failing: Any = Refusing()
    with pytest.raises(StoreError, match="more memory"):
        await run(failing, names=[])
    assert len(await kept(store, "page_views")) == 5
    assert await kept(store, "dau") == {}
    assert (await looked(store, utc_scope(PROJECT, NOW))).year == 1970, (
        "what was stored since is to be looked at again"
    )
    await run(store)
    assert await kept(store, "dau") == {TODAY - day * DAY: 1 for day in range(1, 6)}
    assert await looked(store, utc_scope(PROJECT, NOW)) == NOW


async def test_a_run_calculates_so_many_values_the_newest_first_and_the_next_goes_on(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calculating, "MOST_VALUES", 100)
    monkeypatch.setitem(calculating.AT_ONCE, "hour", 24)
    await put(store, event(TODAY - 20 * DAY), event(TODAY - DAY))
    numbers = []
    for _ in range(9):
        before = await kept(store, "page_views", "hour")
        await run(store, names=["page_views"])
        after = await kept(store, "page_views", "hour")
        new = sorted(after.keys() - before.keys())
        numbers.append(len(new))
        assert not before or not new or new[-1] < min(before), "the newest are there already"
    assert len(after) == 20 * 24 + 15
    assert max(numbers) <= 100 + 24
    assert numbers[-1] == 0
    assert len(await kept(store, "page_views")) == 20


async def test_a_run_whose_time_is_over_leaves_the_rest_of_each_project_to_the_next(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calculating, "LONGEST_RUN", timedelta(0))
    monkeypatch.setitem(calculating.AT_ONCE, "hour", 24)
    for project in ("first", "second"):
        await put(store, event(TODAY - 3 * DAY, project=project))
    projects = ("first", "second")
    kept_so_far = []
    for _ in range(6):
        await run(store, names=["page_views"])
        kept_so_far.append([len(await kept(store, "page_views", "hour", name)) for name in projects])
        assert [len(await kept(store, "page_views", "day", name)) for name in projects] == [3, 3], (
            "come first"
        )
    assert kept_so_far == [[hours, hours] for hours in (0, 24, 48, 72, 87, 87)]


async def test_a_merge_that_comes_late_makes_two_users_one(store: Store) -> None:
    await put(store, *(event(TODAY - day * DAY + HOUR, user=user) for day in (1, 3, 20) for user in "ab"))
    await put(store, event(TODAY - 5 * DAY, user="b"))
    await run(store, names=["dau", "total_users"])
    await run(store, names=["dau", "total_users"])
    assert set((await kept(store, "dau")).values()) == {2, 1, 0}
    moved = {"project": PROJECT, "distinct_id": "b", "person": "a", "revision": 1, "_stored_at": NOW + HOUR}
    await store.insert(PERSON_IDS, pa.Table.from_pylist([moved], schema=IDS_SCHEMA), token="moved")
    await run(store, NOW + 2 * HOUR, names=["dau", "total_users"], id="merged")
    assert set((await kept(store, "dau")).values()) == {1, 0}
    assert set((await kept(store, "total_users")).values()) == {1}
    _, changes = await changes_of(store, PROJECT, "merged", 1_000)
    days = [
        (each.start, each.before, each.after)
        for each in changes
        if each.grain == "day" and each.metric == "dau"
    ]
    assert days == [(TODAY - day * DAY, 2, 1) for day in (20, 3, 1)]


@pytest.mark.parametrize("seed", seeds(3))
async def test_through_kills_failures_and_late_events_it_comes_to_what_the_events_say(
    store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calculating, "MOST_VALUES", 300)
    monkeypatch.setitem(calculating.AT_ONCE, "hour", 60)
    monkeypatch.setitem(calculating.AT_ONCE, "day", 7)
    chance = random.Random(seed)
    visits: list[Visit] = []

    async def visit(now: datetime, number: int) -> None:
        new = [(now - chance.random() * 25 * DAY, chance.choice("abcdef")) for _ in range(number)]
        new = [(at.replace(microsecond=0), user) for at, user in new]
        visits.extend(new)
        await put(store, *(event(at, user=user) for at, user in new), stored=now)

    now = TODAY - 12 * HOUR
    visits.append((TODAY - 26 * DAY, "a"))
    await put(store, event(TODAY - 26 * DAY, user="a"))
    await visit(now, 60)
    for _ in range(8):
        now += chance.choice([HOUR, 3 * HOUR, 7 * HOUR])
        fragile: Any = Fragile(store, chance.randrange(4), part=chance.random() < 0.7)
        with suppress(Killed):
            await run(fragile, now, names=NAMES)
        await visit(now, chance.randrange(5))
        if chance.random() < 0.3:
            await store.command(
                "DELETE FROM metric_values WHERE rand({seed:UInt32} + toUInt32(start)) % 10 = 0",
                {"seed": seed},
            )
    now += HOUR
    while await run(store, now, names=NAMES) or await run(store, now, names=NAMES):
        now += timedelta(minutes=6)
    until = now - timedelta(minutes=5)
    first = TODAY - 26 * DAY
    assert await kept(store, "page_views", "hour") == expected(visits, first, until, HOUR)
    assert await kept(store, "page_views") == expected(visits, first, until, DAY)
    users = Counter(
        at.replace(hour=0, minute=0, second=0)
        for at, _ in {(at.date(), u): (at, u) for at, u in visits}.values()
    )
    assert await kept(store, "dau") == {start: users[start] for start in expected(visits, first, until, DAY)}
