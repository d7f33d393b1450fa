"""Users over HTTP are what the plain computation gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store
from tests.metrics import plain
from tests.metrics.plain_users import people, users
from tests.metrics.stored import store_persons
from tests.metrics.worlds import NOW, world

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

USERS = "/api/analytics/users"
WORLD = world(4)


@pytest.fixture
def app(settings: ApiSettings, store: Store, broker: Broker) -> FastAPI:
    """With the world's zone and people."""
    told = settings.model_copy(
        update={"project_timezone": "America/New_York", "internal_users": tuple(WORLD.internal)}
    )
    return create_app(told, store, broker, clock=lambda: NOW)


async def _fill(store: Store, put: Put) -> None:
    await put(WORLD.events)
    await store_persons(store, WORLD)


async def _get(client: httpx.AsyncClient, bearer: Bearer, path: str) -> Any:
    response = await client.get(path, headers=bearer("read"))
    assert response.status_code == 200, response.text
    return response.json()["data"]


@pytest.mark.parametrize("days", [1, 5, 30])
async def test_all_users(
    client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put, days: int
) -> None:
    await _fill(store, put)
    found = await _get(client, bearer, f"{USERS}?days={days}")
    start = WORLD.midnight(WORLD.day(NOW) - timedelta(days=days - 1))
    expected = users(WORLD, start, NOW)
    assert {name: found[name] for name in expected} == expected
    everybody = people(WORLD, start, NOW)
    ranked = sorted(everybody, key=lambda person: (-everybody[person]["engagement_score"], person))
    assert [user["user_id"] for user in found["top_users"]] == ranked[:10]
    for user in found["top_users"]:
        told = everybody[user["user_id"]]
        assert user["engagement_score"] == pytest.approx(told["engagement_score"], rel=1e-9)
        assert datetime.fromisoformat(user["last_activity"]) == told["last_activity"]
        for name in (
            "engagement_level",
            "activity_level",
            "active_days",
            "page_views",
            "content_interactions",
        ):
            assert user[name] == told[name], name


async def test_users_of_a_country(client: httpx.AsyncClient, bearer: Bearer, store: Store, put: Put) -> None:
    await _fill(store, put)
    found = await _get(client, bearer, f"{USERS}?days=20&country=IN")
    expected = users(
        plain.having(WORLD, "country", "IN"), WORLD.midnight(WORLD.day(NOW) - timedelta(days=19)), NOW
    )
    assert {name: found[name] for name in expected} == expected


async def test_nobody(client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich) -> None:
    await put([enrich("$pageview", "user-1", NOW - timedelta(hours=1), project="other")])
    found = await _get(client, bearer, USERS)
    assert (found["total_users"], found["new_users"], found["active_users"]) == (0, 0, 0)
    assert set(found["by_activity_level"].values()) == {0}
    assert (set(found["engagement_distribution"].values()), found["top_users"]) == ({0}, [])


async def test_ids_of_digits_are_numbers(
    client: httpx.AsyncClient, bearer: Bearer, put: Put, enrich: Enrich
) -> None:
    await put([enrich("$pageview", user, NOW - timedelta(hours=1)) for user in ("42", "007", "9" * 16)])
    found = await _get(client, bearer, f"{USERS}?days=1")
    assert {user["user_id"] for user in found["top_users"]} == {42, "007", "9" * 16}
    assert {user["activity_level"] for user in found["top_users"]} == {"high"}


@pytest.mark.parametrize("query", ["days=0", "event=click", "sort=name", "tz=Mars"])
async def test_what_cannot_be_asked(
    client: httpx.AsyncClient,
    bearer: Bearer,
    refused: Callable[[httpx.Response, int, str], dict[str, Any]],
    query: str,
) -> None:
    refused(await client.get(f"{USERS}?{query}", headers=bearer("read")), 422, "VALIDATION_ERROR")
    refused(await client.get(f"{USERS}?{query}", headers=bearer("ingest")), 403, "INSUFFICIENT_SCOPE")
