"""Metrics of days that are rolled up: what the plain computation says, whatever was rolled up and when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio

from loopin_schemas import EnrichedEvent
from loopin_schemas.metrics import Dimension, Grain, Metric, by_name
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.scope import Periods, Scope, periods
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store, StoreSettings, open_store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.metrics import plain
from tests.metrics.stored import expire, store_persons
from tests.metrics.worlds import NOW, world
from tests.migrated import fill

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.scenario]

WORLD = world(2)
BY_DAYS = (
    *("dau", "wau", "mau", "stickiness", "total_users", "churn_rate", "mau_growth"),
    *("retention_d1", "retention_d7", "retention_d30", "retention_7d_rolling"),
)
"""Metrics that rolled days alone tell."""

SESSIONS = ("sessions", "sessions_per_user", "avg_session_length", "bounce_rate", "crash_rate")

ADDED_UP = (
    *("page_views", "new_registrations", "platform_events_created", "content_interactions", "refund_rate"),
    *("payment_failure_rate", "event_creation_growth", "host_cancellation_rate", "error_rate"),
    *("geo_blocked_share", "geo_bypass_share", "revenue", "revenue_growth", "rpu"),
    *("satisfaction", "event_rating", "review_sentiment", "avg_response_time"),
)
"""Metrics that the sums of days tell."""

OUTLIVE = (*BY_DAYS, *ADDED_UP)
"""Metrics that rollups tell without any events."""

ROLLED = (*OUTLIVE, "ticket_conversion", "user_verification_rate", *SESSIONS)
"""Metrics that rollups are read for."""

GONE = 60
"""Days whose events are kept where the older ones are gone."""


def metric(name: str) -> Metric:
    found = by_name(name)
    assert found is not None
    return found


def scope() -> Scope:
    return Scope(WORLD.project, WORLD.zone, NOW, WORLD.currency, WORLD.rates, internal=sorted(WORLD.internal))


def roller(store: Store, kept: int, now: datetime = NOW) -> DayRoller:
    projects = Projects(lambda _: Project(WORLD.zone, internal=WORLD.internal, retention=Retention(kept)))
    return DayRoller(store, projects, interval_s=1, leads=lambda: True, clock=lambda: now)


async def insert(store: Store, events: Sequence[EnrichedEvent], at: datetime, first_offset: int) -> None:
    offsets = range(first_offset, first_offset + len(events))
    topic_id = "00000000-0000-0000-0000-000000000001"
    rows = to_arrow(events, 0, offsets, topic_id, lambda _: 3650, int(at.timestamp() * 1000))
    for month, part in by_month(rows):
        await store.insert("events", part, token=f"{uuid4()}:{month}")


VARIANTS = ["before", "half", "again", "gone"]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=VARIANTS)
async def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, migrated: Path
) -> AsyncIterator[Store]:
    """The engine with the world, of which some events came late, and persons turned out to be one.

    Rolled up were all days ``before`` that; or ``half`` of them, the later ones; or all, and once ``again``
    after that, whereupon of one variant the events of the older days are ``gone``.
    """
    chosen = StoreSettings(data_dir=tmp_path_factory.mktemp("rolled") / "data")
    fill(chosen, migrated)
    opened = open_store(chosen)
    early = [event for number, event in enumerate(WORLD.events) if number % 7]
    await insert(opened, early, NOW - timedelta(days=1), 0)
    kept = 50 if request.param == "half" else 3650
    assert await roller(opened, kept).roll_once(asyncio.Event()) >= 49
    await insert(opened, WORLD.events[::7], NOW, len(early))
    await store_persons(opened, WORLD)
    if request.param in ("again", "gone"):
        assert await roller(opened, kept).roll_once(asyncio.Event()) >= 49
    if request.param == "gone":
        await expire(opened, WORLD, WORLD.day(NOW) - timedelta(days=GONE))
        await roller(opened, GONE).roll_once(asyncio.Event())
    yield opened
    await opened.close()


@pytest.fixture
def variant(request: pytest.FixtureRequest) -> str:
    """Which of the stores is asked."""
    found: str = request.node.callspec.params["store"]
    return found


def spans_of(asked: Periods) -> list[tuple[datetime, datetime]]:
    return list(zip(asked.edges, asked.edges[1:], strict=False))


def like(expected: list[float | None]) -> list[Any]:
    return [None if value is None else pytest.approx(value, rel=1e-9) for value in expected]


ASKED: list[tuple[Grain, int]] = [("hour", 2), ("day", 24), ("week", 45), ("month", 110)]


@pytest.mark.parametrize("name", ROLLED)
async def test_a_series_is_what_the_plain_computation_says(store: Store, variant: str, name: str) -> None:
    if variant == "gone" and name not in OUTLIVE:
        pytest.skip("made of events, too")
    of = metric(name)
    for grain, days in ASKED:
        if grain in of.grains:
            asked = periods(grain, WORLD.midnight(WORLD.day(NOW - timedelta(days=days))), NOW, WORLD.zone)
            found = await values_of(store, scope(), of.definition, asked)
            got = [found.get((number, "")) for number in range(len(asked))]
            assert got == like([plain.calculate(name, WORLD, *span) for span in spans_of(asked)]), grain


@pytest.mark.parametrize("name", ["sessions", "avg_session_length"])
async def test_sessions_whose_events_are_gone_are_those_of_users(
    store: Store, variant: str, name: str
) -> None:
    if variant != "gone":
        pytest.skip("their events tell whose they are")
    own = {WORLD.person(each) for each in WORLD.internal}
    ids = {event.distinct_id for event in WORLD.events}
    internal = frozenset(each for each in ids if WORLD.person(each) in own)
    users = replace(WORLD, person_of={}, internal=internal)
    of, last = metric(name), WORLD.day(NOW) - timedelta(days=GONE)
    asked = periods("day", WORLD.midnight(last - timedelta(days=20)), WORLD.midnight(last), WORLD.zone)
    found = await values_of(store, scope(), of.definition, asked)
    got = [found.get((number, "")) for number in range(len(asked))]
    assert got == like([plain.calculate(name, users, *span) for span in spans_of(asked)])
    shared = set(WORLD.person_of.values())
    others = [event for event in WORLD.events if WORLD.person(event.distinct_id) not in shared]
    alone = replace(users, events=others)
    assert got != like([plain.calculate(name, alone, *span) for span in spans_of(asked)])


ANYWHERE = (datetime(2026, 2, 3, 4, 5, 6, 7000, UTC), datetime(2026, 3, 2, 22, 59, 1, tzinfo=UTC))


@pytest.mark.parametrize("name", ROLLED)
async def test_a_span_that_begins_and_ends_anywhere(store: Store, variant: str, name: str) -> None:
    if variant == "gone" and name not in OUTLIVE:
        pytest.skip("made of events, too")
    found = await values_of(store, scope(), metric(name).definition, Periods(ANYWHERE))
    assert [found.get((0, ""))] == like([plain.calculate(name, WORLD, *ANYWHERE)])


DIMENSIONS: list[tuple[Dimension, str]] = [("country", "IN"), ("city", "Berlin")]


@pytest.mark.parametrize("name", OUTLIVE)
async def test_one_value_of_a_dimension(store: Store, name: str) -> None:
    """Asked for alone, and as one among all values."""
    asked = periods("week", WORLD.midnight(WORLD.day(NOW - timedelta(days=40))), NOW, WORLD.zone)
    for dimension, value in DIMENSIONS:
        expected = [plain.calculate_where(name, WORLD, *span, dimension, value) for span in spans_of(asked)]
        where = replace(scope(), where={dimension: value})
        alone = await values_of(store, where, metric(name).definition, asked)
        assert [alone.get((number, "")) for number in range(len(asked))] == like(expected)
        among = await values_of(store, replace(scope(), by=dimension), metric(name).definition, asked)
        assert [among.get((number, value), 0) for number in range(len(asked))] == like(
            [found or 0 for found in expected]
        )
