"""Persons' days over HTTP have the numbers of the plain computation, but for what was put right."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_schemas import EnrichedEvent
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.store import Store
from loopin_streams.projects.project import Project, Projects, Retention
from tests.api.config_in_memory import Log
from tests.api.routers.test_communities import fill
from tests.api.routers.test_error_log import Clock, ask, write
from tests.metrics import community_worlds, worlds
from tests.metrics.plain import Act, World, sessions_begun
from tests.metrics.plain_user_days import user_days
from tests.metrics.stored import expire, settings_of

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

ROWS = "/api/user-analytics"
SESSIONS = ("total_sessions", "total_time_spent", "avg_session_duration")
NOW = worlds.NOW
TODAY = date(2026, 3, 31)


def social(of: World, seed: int, number: int = 400) -> World:
    """The world with what its persons do to one another, as far as it has happened."""
    dice = Random(seed)
    found = [event for event in of.events if event.timestamp < of.now.timestamp() * 1000]
    kinds = [("content_liked", "author_id"), *((f"user_{un}followed", "followed_id") for un in ("", "un"))]
    for _ in range(number):
        name, by = dice.choice(kinds)
        whom: Any = f"user-{dice.randrange(12)}"
        about = {by: dice.choice([whom, whom, 3, None]), "object_id": 1, "content_type": "post"}
        ms = round((of.now - timedelta(days=dice.uniform(0, 60))).timestamp() * 1000) - 1
        found.append(
            EnrichedEvent(
                project=of.project,
                uuid=str(uuid.UUID(int=dice.getrandbits(128), version=4)),
                event=name,
                distinct_id=f"user-{dice.randrange(12)}",
                timestamp=ms,
                received_at=ms,
                properties=msgspec.Raw(json.dumps(about).encode()),
                raw_partition=0,
                raw_offset=0,
            )
        )
    return replace(of, events=found)


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = NOW
    return clock


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, clock: Clock) -> FastAPI:
    log, told = Log(), settings_of(worlds.world(4), settings)
    return create_app(told, store, broker, config=log, writer=log, clock=clock)


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(worlds.world(4), id="any", marks=pytest.mark.scenario),
        pytest.param(community_worlds.world(3), id="communities"),
    ],
)
async def test_persons_days(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, store: Store, clock: Clock, of: World
) -> None:
    world = social(of, 7)
    clock.now = world.now
    await fill(store, put, world)
    expected = user_days(world, TODAY - timedelta(days=2))
    order = sorted(expected, key=lambda row: (-row[0].toordinal(), row[1]))
    found = await ask(client, bearer, f"{ROWS}/?days=3&page_size=100")
    assert found["count"] == len(expected) > 20
    assert [row["id"] for row in found["results"]] == [f"{day}:{user}" for day, user in order][:100]
    for row in found["results"]:
        for name, value in expected[date.fromisoformat(row["date"]), str(row["user"])].items():
            if isinstance(value, float):
                value = pytest.approx(value, abs=1e-6)
            assert row[name] == value, (row["id"], name)
    received = [row["total_likes_received"] + row["followers_gained"] for row in found["results"]]
    assert max(received) > 0
    await roll_up(store, world)
    assert (await ask(client, bearer, f"{ROWS}/?days=3&page_size=100"))["results"] == found["results"]
    await expire(store, world, TODAY - timedelta(days=3))
    kept = (await ask(client, bearer, f"{ROWS}/?days=3&page_size=100"))["results"]
    for row, before in zip(kept, found["results"], strict=True):
        # Where somebody is at home is told by the event of their sign-up.
        told = {name: before[name] for name in (*SESSIONS, "travel_detected")}
        assert {**row, **told} == before
        if str(row["user"]) in world.person_of.values():
            # Which sessions of several ids were one is known no more.
            assert row["total_sessions"] > before["total_sessions"] / 2
        else:
            lengths = [(each[-1].at - each[0].at).total_seconds() for each in untold(world, str(row["user"]))]
            assert row["total_sessions"] == before["total_sessions"] - len(lengths)
            assert row["total_time_spent"] == pytest.approx(before["total_time_spent"] - sum(lengths))

    merged = await ask(client, bearer, f"{ROWS}?user=user-2&days=3&ordering=date")
    days = sorted(day for day, user in expected if user == "user-0")
    assert [row["id"] for row in merged["results"]] == [f"{day}:user-0" for day in days]
    if days:
        one = await ask(client, bearer, f"{ROWS}/{days[0]}:user-1/")
        assert one == merged["results"][0]


async def roll_up(store: Store, of: World) -> None:
    projects = Projects(lambda _: Project(zone=of.zone, retention=Retention(3650)))
    roller = DayRoller(store, projects, interval_s=1, leads=lambda: True, clock=lambda: of.now)
    assert await roller.roll_once(asyncio.Event()) > 3


def untold(of: World, person: str) -> list[list[Act]]:
    """Sessions that are told by events alone: of the first day, and beside the one on which clocks change."""
    mine = replace(of, events=[act.event for act in of.active if act.person == person])
    first = min(of.day(datetime.fromtimestamp(event.timestamp / 1000, UTC)) for event in of.events)
    days = (first, date(2026, 3, 7), date(2026, 3, 9))
    ends = [(of.midnight(day), of.midnight(day + timedelta(days=1))) for day in days]
    return [session for begin, end in ends for session in sessions_begun(mine, begin, end)]


async def test_a_row_is_put_right_deleted_and_created(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: Refused
) -> None:
    at = NOW - timedelta(days=1)
    await put(
        [
            enrich("$pageview", "42", at),
            enrich("$pageview", "a/b:c", at),
            enrich("click", "z", at + timedelta(hours=20)),
        ]
    )
    path = f"{ROWS}/2026-03-30:42"
    computed = await ask(client, bearer, path)
    assert (computed["user"], computed["page_views"], computed["locations_accessed_from"]) == (42, 1, [])
    assert (await ask(client, bearer, f"{ROWS}/2026-03-30:a/b:c"))["user"] == "a/b:c"
    place = {"country": "IN", "city": None}
    body = {"page_views": 5, "locations_accessed_from": [place], "note": "By hand."}
    changed = await write(client, bearer, "PATCH", path, body)
    about = {
        "corrected_fields": ["locations_accessed_from", "page_views"],
        "corrected_at": "2026-03-31T15:20:00.000Z",
        "corrected_by": "ops",
        "note": "By hand.",
    }
    assert changed == {**computed, "page_views": 5, "locations_accessed_from": [place], **about}
    assert changed in (await ask(client, bearer, ROWS))["results"]
    answer = await client.post(ROWS, json={"user": 42, "date": "2026-03-30"}, headers=bearer("write"))
    refused(answer, 409, "ALREADY_CORRECTED")
    assert (await write(client, bearer, "PUT", path, {"total_posts": 2}))["page_views"] == 1
    assert await write(client, bearer, "PUT", path, {}) == computed

    await write(client, bearer, "DELETE", path)
    for how, sent in (("GET", None), ("PATCH", {}), ("PUT", {}), ("DELETE", None)):
        answer = await client.request(how, path, json=sent, headers=bearer("read", "write"))
        refused(answer, 404, "UNKNOWN_ROW")
    assert (await ask(client, bearer, ROWS))["count"] == 2
    made = await client.post(ROWS, json={"user": 42, "date": "2026-03-30"}, headers=bearer("write"))
    assert (made.status_code, made.json()) == (201, computed)

    body = {"user": "42", "date": "2026-03-29", "actions_performed": 3}
    made = await client.post(ROWS, json=body, headers=bearer("write"))
    assert (made.status_code, made.json()["actions_performed"], made.json()["page_views"]) == (201, 3, 0)
    listed = await ask(client, bearer, f"{ROWS}?page_size=3&page=2")
    assert (listed["count"], listed["results"]) == (4, [made.json()])
    assert (await ask(client, bearer, f"{ROWS}?user=42"))["count"] == 2
    assert (await ask(client, bearer, f"{ROWS}?days=1"))["count"] == 1


async def test_a_row_sent_back_whole_is_still_computed(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(days=1)
    await put([enrich("$pageview", "42", at, {"$session_id": "s"})])
    path = f"{ROWS}/2026-03-30:42"
    row = await ask(client, bearer, path)
    noted = await write(client, bearer, "PUT", path, {**row, "note": "Checked."})
    assert (noted["corrected_fields"], noted["note"]) == ([], "Checked.")
    right = await write(client, bearer, "PUT", path, {**row, "total_posts": 4})
    assert right["corrected_fields"] == ["total_posts"]
    await put([enrich("$pageview", "42", at)])
    late = await ask(client, bearer, path)
    assert (late["page_views"], late["total_posts"]) == (2, 4)


async def test_a_correction_goes_where_its_person_goes(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, store: Store
) -> None:
    events = [enrich("$pageview", user, NOW - timedelta(hours=1)) for user in ("user-0", "user-1")]
    await put(events)
    await write(client, bearer, "PATCH", f"{ROWS}/2026-03-31:user-1", {"page_views": 7})
    await fill(store, put, replace(worlds.world(4), events=[]))
    found = await ask(client, bearer, ROWS)
    assert [(row["id"], row["page_views"]) for row in found["results"]] == [("2026-03-31:user-0", 7)]
    again = await write(client, bearer, "PUT", f"{ROWS}/2026-03-31:user-0", {})
    assert (again["page_views"], again["corrected_fields"]) == (2, [])


@pytest.mark.parametrize(
    ("how", "path", "body", "field"),
    [
        ("GET", f"{ROWS}?tz=Asia/Kolkata", None, "tz"),
        ("GET", f"{ROWS}?ordering=user", None, "ordering"),
        ("POST", ROWS, {"user": 1}, "date"),
        ("POST", ROWS, {"user": 1, "date": "today"}, "date"),
        ("POST", ROWS, {"date": "2026-03-31"}, "user"),
        ("PATCH", f"{ROWS}/2026-03-31:u", {"page_views": -1}, "page_views"),
        ("PATCH", f"{ROWS}/2026-03-31:u", {"travel_detected": 1}, "travel_detected"),
        ("PUT", f"{ROWS}/2026-03-31:u", {"views": 1}, "views"),
        ("PATCH", f"{ROWS}/2026-03-31:u", {"page_views": 2**53}, "page_views"),
        ("PATCH", f"{ROWS}/2026-03-31:u", {"page_views": 10**30}, "page_views"),
        ("PUT", f"{ROWS}/2026-03-31:u", {"total_time_spent": 1e30}, "total_time_spent"),
        ("PATCH", f"{ROWS}/2026-03-31:u", {"note": "a\0b"}, "note"),
        ("POST", ROWS, {"user": "u", "date": "2026-04-01"}, "date"),
        ("PATCH", f"{ROWS}/2026-03-31:u", {"user": "me"}, "user"),
        ("PUT", f"{ROWS}/2026-03-31:u", {"date": "2026-03-30", "user": "u"}, "date"),
    ],
)
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient,
    bearer: Bearer,
    put: Put,
    enrich: Enrich,
    refused: Refused,
    how: str,
    path: str,
    body: Any,
    field: str,
) -> None:
    await put([enrich("click", "u", NOW - timedelta(hours=1))])
    answer = await client.request(how, path, json=body, headers=bearer("read", "write"))
    assert [each["field"] for each in refused(answer, 422, "VALIDATION_ERROR")["details"]] == [field]
    refused(await client.request(how, path, json=body, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")


async def test_rows_that_there_are_not(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: Refused
) -> None:
    await put([enrich("click", "u", NOW, project="other"), enrich("api_request", "u", NOW)])
    for id in ("2026-03-31:u", "2026-03-31", "2026-03-31:", "u", "2026-13-01:u", "0001-01-01:u"):
        refused(await client.get(f"{ROWS}/{id}", headers=bearer("read")), 404, "UNKNOWN_ROW")
    assert (await ask(client, bearer, ROWS))["count"] == 0
