"""Days over HTTP have the numbers of the plain computation, but for what was put right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.api.config_in_memory import Log
from tests.api.routers.test_communities import fill
from tests.api.routers.test_error_log import Clock, ask, write
from tests.metrics import community_worlds, plain, worlds
from tests.metrics.plain import World, between
from tests.metrics.plain_communities import Community
from tests.metrics.stored import settings_of

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]

NOW = worlds.NOW
TODAY = date(2026, 3, 31)
DAILY = "/api/daily"
OF_METRICS = {
    "total_users": "total_users",
    "active_users": "dau",
    "new_registrations": "new_registrations",
    "content_views": "content_views",
    "content_interactions": "content_interactions",
    "community_views": "community_views",
    "community_joins": "community_joins",
    "peak_community_activity": "peak_community_activity",
    "average_online_members": "average_online_members",
    "bounce_rate": "bounce_rate",
    "avg_response_time": "avg_response_time",
    "api_requests": "api_requests",
}
COUNTED = {
    "new_posts": "content_created",
    "new_comments": "content_commented",
    "total_likes": "content_liked",
    "total_shares": "content_shared",
    "geo_access_attempts": "geo_access_checked",
}


@pytest.fixture
def clock() -> Clock:
    clock = Clock()
    clock.now = NOW
    return clock


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker, log: Log, clock: Clock) -> FastAPI:
    told = settings_of(worlds.world(4), settings)
    return create_app(told, store, broker, config=log, writer=log, clock=clock)


def day_of(world: World, day: date) -> dict[str, Any]:
    """The day once more."""
    start = world.midnight(day)
    end = min(world.midnight(day + timedelta(days=1)), world.now)
    acts = between(world.acts, start, end)
    many = Counter(act.name for act in acts)
    results = Counter(act.properties.get("access_result") for act in acts if act.name == "geo_access_checked")
    errors = [
        act
        for act in acts
        if act.name in ("$exception", "app_crashed")
        or (act.name == "error_logged" and act.properties.get("level") in ("error", "critical"))
    ]
    of = {field: plain.calculate(name, world, start, end) for field, name in OF_METRICS.items()}
    minutes = plain.calculate("avg_session_length", world, start, end)
    return {
        **of,
        **{field: many[name] for field, name in COUNTED.items()},
        "new_users": of["new_registrations"],
        "total_interactions": of["content_interactions"],
        "average_online_members": of["average_online_members"] or 0.0,
        "peak_community_activity": of["peak_community_activity"] or 0,
        "avg_session_duration": None if minutes is None else minutes * 60,
        "geo_blocked_attempts": results["blocked"],
        "geo_allowed_access": results["allowed"],
        "error_count": len(errors),
    }


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(worlds.world(4), id="any", marks=pytest.mark.scenario),
        pytest.param(community_worlds.world(3), id="communities"),
    ],
)
async def test_days(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, store: Store, clock: Clock, of: World
) -> None:
    clock.now = of.now
    await fill(store, put, of)
    # What is yet to come is no part of the current minute either.
    of = replace(of, events=[event for event in of.events if event.timestamp < of.now.timestamp() * 1000])
    found = await ask(client, bearer, f"{DAILY}/?days=6")
    assert found["count"] == 6
    assert [row["id"] for row in found["results"]] == [str(TODAY - timedelta(days=n)) for n in range(6)]
    communities = {str(act.properties["community_id"]) for act in of.acts if "community_id" in act.properties}
    away = [act for each in communities for act in Community(of, each).traveling(plain.NEVER, of.now)]
    traveled = Counter(act.day for act in away)
    for row in found["results"]:
        day = date.fromisoformat(row["date"])
        expected = day_of(of, day)
        for name, value in expected.items():
            assert row[name] == (None if value is None else pytest.approx(value, rel=1e-9)), (day, name)
        assert row["traveler_access_count"] == traveled[day]
        assert (row["corrected_fields"], row["corrected_at"], row["note"]) == ([], None, "")
        assert datetime.fromisoformat(row["created_at"]) == of.midnight(day)
    assert traveled[TODAY] > 0 or len(communities) != 2
    assert await ask(client, bearer, f"{DAILY}/{TODAY}/") == found["results"][0]


async def test_days_are_from_the_first_event_to_today(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: Refused
) -> None:
    assert (await ask(client, bearer, DAILY))["count"] == 0
    await put([enrich("click", "u", NOW - timedelta(days=3)), enrich("click", "u", NOW + timedelta(days=2))])
    found = await ask(client, bearer, f"{DAILY}?to=2026-05-01&from=2026-01-01&page_size=3&ordering=date")
    assert (found["count"], [row["id"][-2:] for row in found["results"]]) == (4, ["28", "29", "30"])
    rest = await ask(client, bearer, found["next"])
    assert [(row["id"], row["active_users"]) for row in rest["results"]] == [("2026-03-31", 0)]
    for id in ("2026-03-27", "2026-04-01", "2026-3-28", "20260328", "today"):
        refused(await client.get(f"{DAILY}/{id}", headers=bearer("read")), 404, "UNKNOWN_ROW")
    refused(await client.get(f"{DAILY}?page=9", headers=bearer("read")), 404, "UNKNOWN_PAGE")


async def test_a_day_is_put_right(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: Refused
) -> None:
    await put([enrich("user_signed_up", f"u{n}", NOW - timedelta(days=1)) for n in range(3)])
    path = f"{DAILY}/2026-03-30"
    computed = await ask(client, bearer, path)
    assert (computed["new_users"], computed["active_users"]) == (3, 3)
    changed = await write(client, bearer, "PATCH", path, {"new_users": 2, "note": "One was a test."})
    about = {
        "corrected_fields": ["new_registrations", "new_users"],
        "corrected_at": "2026-03-31T15:20:00.000Z",
        "corrected_by": "ops",
        "note": "One was a test.",
    }
    assert changed == {**computed, "new_users": 2, "new_registrations": 2, **about}
    assert (await ask(client, bearer, f"{DAILY}?days=2"))["results"][1] == changed
    further = await write(client, bearer, "PATCH", path, {"bounce_rate": 0.5})
    assert (further["new_users"], further["bounce_rate"], further["note"]) == (2, 0.5, "")
    body = {"date": "2026-03-30", "active_users": 1}
    answer = await client.post(f"{DAILY}/", json=body, headers=bearer("write"))
    refused(answer, 409, "ALREADY_CORRECTED")
    other = await write(client, bearer, "PUT", path, {"total_users": 9})
    assert {name for name in computed if other[name] != computed[name]} == {
        *("total_users", "corrected_fields", "corrected_at", "corrected_by")
    }
    assert await write(client, bearer, "PUT", path, {}) == computed


async def test_a_day_sent_back_whole_is_still_computed(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    at = NOW - timedelta(days=1)
    await put(
        [
            enrich("user_signed_up", "u", at),
            enrich("api_request", "u", at, {"duration_ms": 0.1}),
            enrich("api_request", "u", at, {"duration_ms": 0.2}),
        ]
    )
    path = f"{DAILY}/2026-03-30"
    row = await ask(client, bearer, path)
    noted = await write(client, bearer, "PUT", path, {**row, "note": "A holiday."})
    assert (noted["corrected_fields"], noted["note"]) == ([], "A holiday.")
    right = await write(client, bearer, "PUT", path, {**row, "new_posts": 4})
    assert right["corrected_fields"] == ["new_posts"]
    assert (await write(client, bearer, "PUT", path, right))["corrected_fields"] == ["new_posts"]
    await put([enrich("user_signed_up", "late", at)])
    late = await ask(client, bearer, path)
    assert (late["new_users"], late["active_users"], late["new_posts"]) == (2, 2, 4)
    by_hand = await write(client, bearer, "PATCH", path, {"new_posts": 0, "new_users": 3})
    assert by_hand["corrected_fields"] == ["new_registrations", "new_users"]


async def test_a_day_is_deleted_until_it_is_created(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: Refused
) -> None:
    await put([enrich("click", "u", NOW - timedelta(days=2))])
    path = f"{DAILY}/2026-03-30"
    computed = await ask(client, bearer, path)
    await write(client, bearer, "DELETE", path)
    nothing: Any = {}
    for how, sent in (("GET", None), ("PATCH", nothing), ("PUT", nothing), ("DELETE", None)):
        answer = await client.request(how, path, json=sent, headers=bearer("read", "write"))
        refused(answer, 404, "UNKNOWN_ROW")
    rows = (await ask(client, bearer, DAILY))["results"]
    assert [row["id"] for row in rows] == ["2026-03-31", "2026-03-29"]
    body = {"date": "2026-03-30", "error_count": 4}
    made = await client.post(DAILY, json=body, headers=bearer("write"))
    assert made.status_code == 201
    assert made.json()["error_count"] == 4
    assert (await ask(client, bearer, path)) == made.json()
    assert made.json()["created_at"] == computed["created_at"]


async def test_fields_that_are_only_read_are_sent_back_as_they_are(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, clock: Clock, refused: Refused
) -> None:
    # In New York it is still March, whatever the clocks of London say.
    clock.now = datetime(2026, 4, 1, 2, tzinfo=UTC)
    await put([enrich("click", "u", NOW)])
    row = await ask(client, bearer, f"{DAILY}/2026-03-31")
    sent = {**row, "created_at": "2026-03-31T00:00:00-04:00", "new_posts": 1}
    assert (await write(client, bearer, "PUT", f"{DAILY}/2026-03-31", sent))["new_posts"] == 1
    tomorrow = await client.post(DAILY, json={"date": "2026-04-01"}, headers=bearer("write"))
    refused(tomorrow, 422, "VALIDATION_ERROR")
    made = await client.post(
        DAILY, json={**sent, "date": "2020-01-01", "id": "2020-01-01"}, headers=bearer("write")
    )
    assert made.status_code == 201, "somebody else's times are no matter where a row is made"
    for _ in range(2):
        clock.now += timedelta(minutes=1)
        again = {**made.json(), "new_posts": 2}
        assert (await write(client, bearer, "PUT", f"{DAILY}/2020-01-01", again))["new_posts"] == 2


async def test_a_day_without_events_is_created(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("click", "u", NOW)])
    body = {"date": "2020-02-29", "active_users": 7, "avg_response_time": 1.5}
    made = await client.post(DAILY, json=body, headers=bearer("write"))
    assert made.status_code == 201
    row = made.json()
    assert (row["active_users"], row["avg_response_time"], row["total_users"]) == (7, 1.5, 0)
    assert row["created_at"] == "2026-03-31T15:20:00.000Z"
    found = await ask(client, bearer, f"{DAILY}?from=2020-01-01")
    assert [each["id"] for each in found["results"]] == ["2026-03-31", "2020-02-29"]
    assert await write(client, bearer, "PUT", f"{DAILY}/2020-02-29", {}) == {
        **row,
        "active_users": 0,
        "avg_response_time": None,
        "corrected_fields": [],
        "corrected_by": "ops",
    }


@pytest.mark.parametrize(
    ("how", "path", "body", "field"),
    [
        ("GET", f"{DAILY}?tz=Asia/Kolkata", None, "tz"),
        ("GET", f"{DAILY}?ordering=active_users", None, "ordering"),
        ("POST", DAILY, {"active_users": 1}, "date"),
        ("POST", DAILY, {"date": "2026-02-30"}, "date"),
        ("PATCH", f"{DAILY}/2026-03-31", {"active_users": -1}, "active_users"),
        ("PATCH", f"{DAILY}/2026-03-31", {"active_users": None}, "active_users"),
        ("PATCH", f"{DAILY}/2026-03-31", {"new_users": 1, "new_registrations": 2}, "new_users"),
        ("PUT", f"{DAILY}/2026-03-31", {"users": 1}, "users"),
        ("PATCH", f"{DAILY}/2026-03-31", {"error_count": 2**53}, "error_count"),
        ("PATCH", f"{DAILY}/2026-03-31", {"error_count": 10**30}, "error_count"),
        ("PUT", f"{DAILY}/2026-03-31", {"avg_response_time": 1e30}, "avg_response_time"),
        ("PATCH", f"{DAILY}/2026-03-31", {"note": "a\0b"}, "note"),
        ("POST", DAILY, {"date": "2026-04-01"}, "date"),
        ("PATCH", f"{DAILY}/2026-03-31", {"date": "2026-03-30"}, "date"),
        ("PUT", f"{DAILY}/2026-03-31", {"id": 31}, "id"),
        ("PATCH", f"{DAILY}/2026-03-31", {"created_at": "2026-03-31T00:00:00Z"}, "created_at"),
        ("POST", DAILY, {"date": "2026-03-31", "id": "2026-03-30"}, "id"),
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
    await put([enrich("click", "u", NOW)])
    answer = await client.request(how, path, json=body, headers=bearer("read", "write"))
    assert [each["field"] for each in refused(answer, 422, "VALIDATION_ERROR")["details"]] == [field]
    refused(await client.request(how, path, json=body, headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
