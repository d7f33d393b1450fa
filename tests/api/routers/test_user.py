"""One user over HTTP is what the plain computation gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.metrics import plain
from tests.metrics.plain_users import engagement
from tests.metrics.stored import settings_of, store_persons
from tests.metrics.worlds import NOW, world

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

USERS = "/api/analytics/users"
WORLD = world(6)
REFUSED = Callable[[httpx.Response, int, str], dict[str, Any]]


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    """With the world's zone, currency, rates and people."""
    return create_app(settings_of(WORLD, settings), store, broker, clock=lambda: NOW)


async def _fill(store: Store, put: Put) -> None:
    await put(WORLD.events)
    await store_persons(store, WORLD)


async def _get(client: httpx.AsyncClient, bearer: Bearer, path: str) -> Any:
    response = await client.get(path, headers=bearer("read"))
    assert response.status_code == 200, response.text
    return response.json()["data"]


def check(told: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        got = told[name]
        if isinstance(value, datetime):
            got = datetime.fromisoformat(got)
        assert got == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value), name


@pytest.mark.parametrize(("grain", "days"), [("day", 20), ("week", 40), ("month", 60)])
async def test_a_person_of_several_ids(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, grain: str, days: int
) -> None:
    await _fill(store, put)
    start = WORLD.midnight(WORLD.day(NOW) - timedelta(days=days - 1))
    found = await _get(client, bearer, f"{USERS}/user-2?days={days}&grain={grain}")
    rows = found["engagement"]
    starts = [WORLD.midnight(datetime.fromisoformat(row["date"]).date()) for row in rows]
    assert (found["grain"], starts[0]) == (grain, start)
    for row, since, until in zip(rows, starts, [*starts[1:], NOW], strict=True):
        check(row, engagement(WORLD, "user-0", since, until))
    assert sum(row["session_count"] for row in rows) > 0
    profile = found["profile"]
    whole = engagement(WORLD, "user-0", start, NOW)
    check(profile, {name: whole[name] for name in ("engagement_score", "engagement_level", "activity_level")})
    mine = [act for act in WORLD.active if act.person == "user-0" and act.at < NOW]
    check(profile, {"first_seen": mine[0].at, "last_seen": mine[-1].at})
    assert (
        profile["country"]
        == [act for act in mine if plain.first_text(act, "country")][-1].properties["country"]
    )
    assert (profile["user_id"], profile["distinct_ids"]) == ("user-0", ["user-0", "user-1", "user-2"])
    paid = replace(WORLD, events=[act.event for act in mine])
    assert profile["revenue"] == pytest.approx(plain.revenue(paid, start, NOW), rel=1e-9)
    late = [act for act in reversed(mine) if act.at >= start][:50]
    assert [event["event"] for event in found["timeline"]] == [act.name for act in late]
    assert [datetime.fromisoformat(event["at"]) for event in found["timeline"]] == [act.at for act in late]


async def test_what_the_timeline_tells(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    piece = {"content_type": "post", "object_id": 17}
    at = NOW - timedelta(hours=1)
    await put(
        [
            enrich("$pageview", "a/b", at, {"path": "/events"}, session_id="s-1"),
            enrich("content_liked", "a/b", at + timedelta(minutes=1), piece),
            enrich("api_request", "a/b", at + timedelta(minutes=2), {"status": 200}),
            enrich("click", "somebody else", at),
        ]
    )
    found = await _get(client, bearer, f"{USERS}/a%2Fb?days=1")
    nothing = dict.fromkeys(("session_id", "path", "content_type", "object_id", "event_id", "community_id"))
    liked, viewed = ({**event, "at": None} for event in found["timeline"])
    assert liked == {**nothing, "at": None, "event": "content_liked", **piece}
    assert viewed == {**nothing, "at": None, "event": "$pageview", "session_id": "s-1", "path": "/events"}
    assert len((await _get(client, bearer, f"{USERS}/a%2Fb?events=1"))["timeline"]) == 1


async def test_a_user_who_is_away(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("$pageview", "42", NOW - timedelta(days=60))])
    found = await _get(client, bearer, f"{USERS}/42?days=2")
    assert (found["profile"]["user_id"], found["profile"]["activity_level"]) == (42, "inactive")
    assert (len(found["engagement"]), found["timeline"]) == (2, [])
    assert [row["last_activity"] for row in found["engagement"]] == [None, None]


async def test_who_is_not_there(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich, refused: REFUSED
) -> None:
    await put([enrich("$pageview", "user-9", NOW - timedelta(hours=1), project="other")])
    for unknown in ("user-9", "user-0' OR 1=1 --"):
        refused(await client.get(f"{USERS}/{unknown}", headers=bearer("read")), 404, "UNKNOWN_USER")
    refused(await client.get(f"{USERS}/user-9?grain=hour", headers=bearer("read")), 422, "VALIDATION_ERROR")
    refused(await client.get(f"{USERS}/user-9?events=201", headers=bearer("read")), 422, "VALIDATION_ERROR")
    refused(await client.get(f"{USERS}/user-9", headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
