"""Metrics by persona: the present one of a person, whatever id it was said of, for all that was before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import pytest_asyncio

from loopin_schemas import EnrichedEvent
from loopin_schemas.metrics import CATALOGUE, Metric, by_name
from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.scope import Periods, Scope, periods
from loopin_sinks.persons.properties import person_properties, store_properties
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.metrics import plain
from tests.metrics.stored import store_persons
from tests.metrics.worlds import NOW, world
from tests.migrated import fill

pytestmark = pytest.mark.asyncio(loop_scope="module")

BARE = world(3)


def says(user: str, days_ago: float, offset: int, **properties: Any) -> EnrichedEvent:
    """An event of a user that says something of the person."""
    at = round((NOW - timedelta(days=days_ago)).timestamp() * 1000)
    return EnrichedEvent(
        project="shop",
        uuid=str(uuid4()),
        event="$set",
        distinct_id=user,
        timestamp=at,
        received_at=at,
        properties=msgspec.Raw(
            json.dumps({f"${name}": value for name, value in properties.items()}).encode()
        ),
        raw_partition=0,
        raw_offset=offset,
    )


def persona(of: object) -> Mapping[str, object]:
    return {"persona": of}


SAID = [
    # user-0, user-1 and user-2 are one person: the last one counts, by the time of the event.
    says("user-0", 100, 1, set=persona("browser")),
    says("user-2", 3, 2, set=persona("champion")),
    says("user-1", 40, 3, set=persona("browser")),
    # These are the project's own people.
    says("user-7", 5, 4, set=persona("champion")),
    *(says(f"user-{number}", number, 10 + number, set=persona("champion")) for number in range(10, 16)),
    *(says(f"user-{number}", number, 10 + number, set=persona("browser")) for number in range(16, 24)),
    # Of two in the same millisecond, the one that arrived later.
    says("user-24", 1, 41, set=persona("browser")),
    says("user-24", 1, 42, set=persona("champion")),
    # What was unset is none, what was set once counts where nothing is set.
    says("user-25", 9, 43, set=persona("champion")),
    says("user-25", 8, 44, unset=["persona"]),
    says("user-26", 9, 45, set_once=persona("champion")),
    says("user-26", 8, 46, set_once=persona("browser")),
    says("user-27", 9, 47, set_once=persona("champion"), set=persona("browser")),
    says("user-28", 9, 48, set_once=persona("champion")),
    says("user-28", 8, 49, unset=["persona"]),
    # Nothing but text is a persona.
    says("user-29", 9, 50, set=persona(7)),
    says("user-30", 9, 51, set=persona("")),
    says("user-31", 9, 52, set=persona(None)),
    says("user-32", 9, 53, set={"mood": "champion"}),
]
WORLD = replace(BARE, events=[*BARE.events, *SAID])

METRICS = [*{type(each.definition): each for each in CATALOGUE if "persona" in each.dimensions}.values()]
"""One of each way to compute."""

BY_DAYS = {
    *(d.Users, d.TrailingUsers, d.Stickiness, d.UsersSoFar, d.Lapsed, d.Retention, d.MonthGrowth, d.Quotient)
}
"""Those that read rollups, where there are any."""


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["events", "rolled"])
async def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Path
) -> AsyncIterator[Store]:
    """The engine with the world; ``rolled`` up before it was known who is one person, and of which kind."""
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("persona") / "data")
    fill(chosen, migrated)
    opened = open_store(chosen)
    rows = to_arrow(WORLD.events, 0, range(len(WORLD.events)), str(uuid4()), lambda _: 3650, 0)
    for month, part in by_month(rows):
        await opened.insert("events", part, token=f"{uuid4()}:{month}")
    if request.param == "rolled":
        projects = Projects(lambda _: Project(WORLD.zone, retention=Retention(3650)))
        roller = DayRoller(opened, projects, interval_s=1, leads=lambda: True, clock=lambda: NOW)
        assert await roller.roll_once(asyncio.Event()) >= 49
    await store_persons(opened, WORLD)
    await store_properties(opened, WORLD.events)
    yield opened
    await opened.close()


def scope(**more: Any) -> Scope:
    return Scope(
        WORLD.project, WORLD.zone, NOW, WORLD.currency, WORLD.rates, internal=sorted(WORLD.internal), **more
    )


def like(expected: list[float | None]) -> list[Any]:
    return [None if value is None else pytest.approx(value, rel=1e-9) for value in expected]


async def test_the_world_has_persons_of_each_kind() -> None:
    assert WORLD.personas["user-0"] == "champion"
    assert WORLD.personas["user-26"] == "champion"
    assert {"user-25", "user-28", "user-29", "user-30", "user-31", "user-32", "user-1"}.isdisjoint(
        WORLD.personas
    )
    assert set(WORLD.personas.values()) == {"champion", "browser"}
    assert len(METRICS) > 12


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
async def test_one_persona_alone_and_among_all(
    store: Store, request: pytest.FixtureRequest, metric: Metric
) -> None:
    if request.node.callspec.params["store"] == "rolled" and type(metric.definition) not in BY_DAYS:
        pytest.skip("nothing of it is rolled up")
    asked = periods("week", WORLD.midnight(WORLD.day(NOW - timedelta(days=40))), NOW, WORLD.zone)
    if "week" not in metric.grains:
        asked = Periods((asked.start, asked.end))
    spans = list(zip(asked.edges, asked.edges[1:], strict=False))
    expected = {
        value: [plain.calculate_where(metric.name, WORLD, *span, "persona", value) for span in spans]
        for value in ("champion", "browser")
    }
    alone = await values_of(store, scope(where={"persona": "champion"}), metric.definition, asked)
    assert [alone.get((number, "")) for number in range(len(asked))] == like(expected["champion"])
    among = await values_of(store, scope(by="persona"), metric.definition, asked)
    assert {of for _, of in among} <= {"champion", "browser", ""}
    for value, numbers in expected.items():
        # What has not happened has no row; a series knows that it is 0.
        assert [among.get((number, value), 0) for number in range(len(asked))] == like(
            [found or 0 for found in numbers]
        )


async def test_every_person_is_of_one_persona_or_of_none(store: Store) -> None:
    whole = Periods((NOW - timedelta(days=60), NOW))
    users = by_name("total_users")
    assert users is not None
    everybody = await values_of(store, scope(), users.definition, whole)
    split = await values_of(store, scope(by="persona"), users.definition, whole)
    assert sum(split.values()) == everybody[0, ""]
    assert split[0, "champion"] > 5


async def test_without_anybody_who_has_one_all_are_of_none(store: Store) -> None:
    users = by_name("total_users")
    assert users is not None
    nobody = replace(scope(by="persona"), project="other")
    found = await values_of(store, nobody, users.definition, Periods((NOW - timedelta(days=60), NOW)))
    assert {of for _, of in found} == {""}


async def test_it_is_the_property_that_is_read_of_the_person(store: Store) -> None:
    for user in (
        "user-0",
        "user-1",
        "user-12",
        "user-20",
        "user-24",
        "user-25",
        "user-26",
        "user-27",
        "user-28",
    ):
        found = await person_properties(store, WORLD.project, user)
        assert found.get("persona") == WORLD.personas.get(WORLD.person(user)), user
