"""Values that are kept, in place of what the events say: the same, and no longer once anything has come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
import pytest_asyncio

from loopin_api.queries.kept import history
from loopin_api.queries.metrics import series, total
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import CATALOGUE, Grain, by_name
from loopin_sinks.metric_history.stored import NewValue, keep
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.persons.mapping import PERSON_IDS
from loopin_sinks.persons.rows import IDS_SCHEMA
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_sinks.tasks import calculate_metrics
from loopin_streams.projects.project import Retention
from tests.metrics.worlds import NOW as WORLD_NOW
from tests.metrics.worlds import world
from tests.migrated import fill
from tests.sinks.metric_history.history import event, only_of_late, put, run

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.scenario]

WORLD = world(3)
DAY: Final = timedelta(days=1)
SECOND: Final = timedelta(seconds=1)


def scope(project: str, now: datetime) -> Scope:
    of = WORLD
    return Scope(
        project=project,
        zone=of.zone,
        now=now,
        currency=of.currency,
        rates=of.rates,
        internal=sorted(of.internal),
        retention=Retention(3650, 3650, 3650),  # the world's time is long ago
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def kept_world(tmp_path_factory: pytest.TempPathFactory, migrated: Path) -> AsyncIterator[Store]:
    """A world whose last days are kept, by one run of the task."""
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("kept") / "data")
    fill(chosen, migrated)
    store = open_store(chosen)
    await put(store, *WORLD.events, stored=WORLD_NOW - 40 * DAY)
    persons = [
        {"distinct_id": each, "person": person, "revision": 1} for each, person in WORLD.person_of.items()
    ]
    await store_links(store, *persons)
    with pytest.MonkeyPatch.context() as patch:
        only_of_late(patch, {"hour": 1, "day": 16, "week": 1, "month": 1})
        await run(store, WORLD_NOW, scope=scope)
    yield store
    await store.close()


async def store_links(store: Store, *rows: dict[str, Any]) -> None:
    common = {"project": WORLD.project, "_stored_at": WORLD_NOW - 40 * DAY}
    table = pa.Table.from_pylist([{**common, **row} for row in rows], schema=IDS_SCHEMA)
    await store.insert(PERSON_IDS, table, token=str(uuid4()))


def span(days: int, hours: int = 0) -> Timespan:
    midnight = WORLD.midnight(WORLD.day(WORLD_NOW))
    start = midnight - days * DAY if days else midnight - timedelta(hours=hours)
    return Timespan(start, WORLD_NOW, WORLD.zone)


async def test_they_are_what_the_events_say(kept_world: Store) -> None:
    """Each metric, by day and hour and over the whole time, beside the time before."""
    of = scope(WORLD.project, WORLD_NOW)
    kept = await history(kept_world, of, CATALOGUE, own_days=True)
    nothing = await history(kept_world, of, CATALOGUE, own_days=False)
    told, computed = Calculator(kept_world, of), Calculator(kept_world, of)
    grains: list[tuple[Grain, Timespan]] = [("day", span(5)), ("hour", span(0, hours=6))]
    taken = 0
    for grain, asked in grains:
        for metric in CATALOGUE:
            if grain not in metric.grains:
                continue
            found = await series(told, metric, asked, grain, "previous", kept)
            expected = await series(computed, metric, asked, grain, "previous", nothing)
            assert expected.calculated_at is None
            taken += found.calculated_at is not None
            for one, other in zip(found.points, expected.points, strict=True):
                assert one.at == other.at
                assert one.value == near(other.value), (metric.name, grain, one.at)
                assert one.previous == near(other.previous), (metric.name, grain, one.at)
            assert found.total.value == near(expected.total.value), metric.name
            assert found.total.previous == near(expected.total.previous), metric.name
    assert taken > 80, "most are told by what is kept"
    for metric in CATALOGUE:
        whole = await total(told, metric, span(5), "previous", kept)
        from_events = await total(computed, metric, span(5), "previous", nothing)
        assert whole.value == near(from_events.value), metric.name
        assert whole.previous == near(from_events.previous), metric.name


def near(value: float | None) -> Any:
    return None if value is None else pytest.approx(value, rel=1e-9)


async def test_they_are_told_until_anything_comes(kept_world: Store) -> None:
    of, metric = scope(WORLD.project, WORLD_NOW), by_name("page_views")
    assert metric is not None
    midnight = WORLD.midnight(WORLD.day(WORLD_NOW))
    days = [midnight - number * DAY for number in (4, 3, 2, 1)]
    # What nobody could compute shows whence a value is.
    marks = [NewValue(metric, "day", day, 0.5 + n, WORLD_NOW + SECOND) for n, day in enumerate(days)]
    await keep(kept_world, of, marks)

    async def told() -> list[float | None]:
        kept = await history(kept_world, of, [metric], own_days=True)
        found = await series(Calculator(kept_world, of), metric, span(4), "day", "previous", kept)
        return [point.value for point in found.points[:-1]]

    assert await told() == [0.5, 1.5, 2.5, 3.5]
    late = event(days[1] + timedelta(hours=2), project=WORLD.project, user="late")
    await put(kept_world, late, stored=WORLD_NOW + timedelta(minutes=1))
    after = await told()
    assert (after[0], after[2], after[3]) == (0.5, 2.5, 3.5)
    expected = sum(
        each.event == "$pageview" and days[1] <= datetime.fromtimestamp(each.timestamp / 1000, UTC) < days[2]
        for each in WORLD.events
        if each.project == WORLD.project
    )
    assert after[1] is not None
    assert after[1] % 1 == 0, "its events tell it"
    assert after[1] <= expected + 1, "but for bots and the project's own people"
    moved = {"distinct_id": "late", "person": "other", "revision": 9, "_stored_at": WORLD_NOW + DAY}
    await store_links(kept_world, moved)
    assert await told() == after


async def test_a_project_of_other_zone_rates_or_people_is_told_by_its_events_until_they_are_calculated(
    kept_world: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    revenue = by_name("revenue")
    assert revenue is not None
    monkeypatch.setattr(calculate_metrics, "metrics_of", lambda *_: [revenue])
    now = WORLD_NOW.replace(minute=40)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=UTC)
    sales: list[tuple[datetime, str, dict[str, Any]]] = [
        *((midnight - (n + 0.1) * DAY, "u", {"amount": 2, "currency": "EUR"}) for n in range(4)),
        *((midnight - (n + 0.9) * DAY, "host", {"amount": 1}) for n in range(4)),
    ]
    of = Scope("york", UTC, now, "INR", {"EUR": ((date(2020, 1, 1), 10.0),)}, retention=Retention(3650))
    sold = [event(at, "ticket_purchased", who, what, "york") for at, who, what in sales]
    await put(kept_world, *sold, stored=now - 9 * DAY)

    async def told(of: Scope) -> tuple[list[float | None], bool]:
        """Revenue of the last three whole days, and whether it is what was kept."""
        days = Timespan(of.midnight(of.day_of(now) - 3), of.midnight(of.day_of(now)), of.zone)
        kept = await history(kept_world, of, [revenue], own_days=True)
        found = await series(Calculator(kept_world, of), revenue, days, "day", "previous", kept)
        values = [point.value for point in found.points]
        assert found.total.value == sum(value or 0 for value in values)
        return values, found.kept_before == days.end

    async def calculated(of: Scope) -> int:
        return await run(kept_world, now, scope=lambda project, now: of, projects=["york"])

    others = [
        (replace(of, rates={"EUR": ((date(2020, 1, 1), 20.0),)}), [41.0, 41.0, 41.0]),
        (replace(of, internal=["host"]), [20.0, 20.0, 20.0]),
        # Its days begin at noon in UTC: the last one has a sale of the evening, and none of a morning yet.
        (replace(of, zone=ZoneInfo("Etc/GMT-12")), [21.0, 21.0, 20.0]),
        (replace(of, currency="EUR", rates={}), [3.0, 3.0, 3.0]),
        (of, [21.0, 21.0, 21.0]),
    ]
    for other, expected in others:
        assert await told(other) == (expected, False)
        assert await calculated(other) > 0
        assert await told(other) == (expected, True)
        assert await calculated(other) == 0
    # What nobody could compute shows that the events of neither are asked.
    marks = [NewValue(revenue, "day", midnight - n * DAY, n + 0.5, now + SECOND) for n in (3, 2, 1)]
    await keep(kept_world, of, marks)
    assert await told(of) == ([3.5, 2.5, 1.5], True)
    assert await told(others[0][0]) == (others[0][1], False)


async def test_where_no_run_was_whole_the_events_tell(kept_world: Store) -> None:
    """It is not known then what has come since."""
    metric = by_name("page_views")
    assert metric is not None
    await kept_world.command("TRUNCATE TABLE metric_looks")
    of = scope(WORLD.project, WORLD_NOW)
    kept = await history(kept_world, of, [metric], own_days=True)
    found = await series(Calculator(kept_world, of), metric, span(4), "day", "previous", kept)
    assert found.calculated_at is None
