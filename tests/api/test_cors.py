"""Pages may send events, and nothing else; which pages, each project says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Broker

PAGE = "https://shop.example"
ELSEWHERE = "https://elsewhere.example"
ONE = {"event": "click", "distinct_id": "user-1"}
BODY = {"api_key": "lk_write", **ONE}
PREFLIGHT = {
    "Origin": PAGE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


@pytest.fixture
async def strict(settings: ApiSettings, store: Store, broker: Broker) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an API whose projects have their own pages."""
    settings.cors_origins = {"shop": (f"{PAGE}/",), "rival": (ELSEWHERE,)}
    transport = httpx.ASGITransport(create_app(settings, store, broker))
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        yield client


TAKING = (
    *("/e/", "/batch/", "/i/v0/e", "/i/v1/analytics/events", "/flags/", "/array/lk_write/config"),
    *("/v1/track", "/v1/t", "/v1/batch", "/api/analytics/events/", "/api/analytics/events/batch"),
    *("/api/analytics/events/track", "/api/errors/", "/api/community-analytics/track/"),
)


@pytest.mark.parametrize("path", TAKING)
async def test_any_page_may_ask_to_send_events(client: httpx.AsyncClient, path: str) -> None:
    response = await client.options(path, headers=PREFLIGHT)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert response.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert response.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "path",
    ["/api/analytics/overview", "/api/analytics/export/events", "/", "/metrics", "/api/analytics/sentiment"],
)
async def test_no_page_may_query(client: httpx.AsyncClient, path: str) -> None:
    preflight = await client.options(path, headers=PREFLIGHT)
    answer = await client.get(path, headers={"Origin": PAGE})
    for response in (preflight, answer):
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_a_page_can_read_its_answer(client: httpx.AsyncClient) -> None:
    response = await client.post("/e/", json=BODY, headers={"Origin": PAGE})
    assert response.headers["Access-Control-Allow-Origin"] == PAGE
    assert "Retry-After" in response.headers["Access-Control-Expose-Headers"]
    refused = await client.post("/e/", json=ONE, headers={"Origin": PAGE})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, PAGE)


async def test_a_project_names_its_pages(strict: httpx.AsyncClient, broker: Broker) -> None:
    for origin, status in ((PAGE, 200), (PAGE.upper(), 200), (ELSEWHERE, 403), ("null", 403)):
        response = await strict.post("/e/", json=BODY, headers={"Origin": origin})
        assert response.status_code == status, origin
        assert ("Access-Control-Allow-Origin" in response.headers) is (status == 200)
    # A server is no page.
    assert (await strict.post("/e/", json=BODY)).status_code == 200
    assert len(broker.records) == 3


async def test_a_preflight_is_answered_for_the_pages_of_any_project(strict: httpx.AsyncClient) -> None:
    allowed: Any = [
        "Access-Control-Allow-Origin"
        in (await strict.options("/e/", headers={**PREFLIGHT, "Origin": origin})).headers
        for origin in (PAGE, ELSEWHERE, "https://third.example")
    ]
    assert allowed == [True, True, False]


async def test_strange_header_names_are_not_repeated(client: httpx.AsyncClient) -> None:
    strange = {**PREFLIGHT, "Access-Control-Request-Headers": "a\tb"}
    response = await client.options("/e/", headers=strange)
    assert "Access-Control-Allow-Headers" not in response.headers
