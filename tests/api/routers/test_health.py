from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api import health
from loopin_api.app import create_app
from loopin_api.health import Component, HealthBoard
from loopin_api.settings import ApiSettings
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker, Enrich, Put

NOW = datetime(2026, 1, 15, 10, 30, tzinfo=UTC)


async def test_health_says_how_the_components_are(
    client: httpx.AsyncClient, put: Put, enrich: Enrich, store: Store
) -> None:
    await put([enrich("click", "user-1", NOW - timedelta(seconds=4))])
    data = (await client.get("/api/analytics/health")).json()["data"]
    assert data["status"] == "ok"
    assert data["components"]["api"]["ok"] is True
    assert data["components"]["store"] == {
        "ok": True,
        "lag": None,
        "lag_s": None,
        "freshness_s": 4.0,
        "version": await store.version(),
        "reason": None,
    }


async def test_a_closed_store_is_degraded_and_not_ready_but_alive(
    client: httpx.AsyncClient, store: Store, refused: Callable[..., Any]
) -> None:
    await store.close()
    response = await client.get("/api/analytics/health")
    assert response.status_code == 200
    assert response.json()["data"]["status"] == "degraded"
    assert response.json()["data"]["components"]["store"]["ok"] is False
    response = await client.get("/readyz")
    refused(response, 503, "NOT_READY")
    assert "Retry-After" in response.headers
    assert (await client.get("/healthz")).status_code == 200


@pytest.fixture
async def serving(
    settings: ApiSettings, store: Store, broker: Broker
) -> AsyncIterator[Callable[..., httpx.AsyncClient]]:
    """``serving(checks=..., freshness=...)``: a client of an application with these."""
    async with AsyncExitStack() as cleanup:

        def serve(**given: Any) -> httpx.AsyncClient:
            transport = httpx.ASGITransport(create_app(settings, store, broker, **given))
            client = httpx.AsyncClient(transport=transport, base_url="http://api")
            cleanup.push_async_callback(client.aclose)
            return client

        yield serve


async def test_a_check_that_gives_a_reason_is_not_ready_unless_it_is_left_out(
    serving: Callable[..., httpx.AsyncClient], refused: Callable[..., Any]
) -> None:
    reason: str | None = "events is 400 s behind (limit 300 s): 7 records wait in loopin.events.enriched."
    client = serving(checks={"partitions": lambda: None, "lag": lambda: reason})
    body = refused(await client.get("/readyz"), 503, "NOT_READY")
    assert body["error"] == reason
    assert (await client.get("/readyz?exclude=lag")).status_code == 200
    refused(await client.get("/readyz?exclude=partitions"), 503, "NOT_READY")
    unknown = refused(await client.get("/readyz?exclude=lags"), 422, "VALIDATION_ERROR")
    assert "leave out one of partitions, lag" in unknown["details"][0]["reason"]
    reason = None
    assert (await client.get("/readyz")).status_code == 200


async def test_health_says_up_to_when_events_are_queryable(
    serving: Callable[..., httpx.AsyncClient],
) -> None:
    client = serving(freshness=lambda: 0.12345)
    assert (await client.get("/api/analytics/health")).json()["data"]["freshness_s"] == 0.123


async def test_an_empty_store_has_no_freshness(client: httpx.AsyncClient) -> None:
    data = (await client.get("/api/analytics/health")).json()["data"]
    assert data["components"]["store"]["freshness_s"] is None


async def test_components_that_fail_or_hang_are_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "PROBE_TIMEOUT_S", 0.05)

    async def well() -> Component:
        return Component(ok=True, lag=3)

    async def failing() -> Component:
        raise OSError

    async def hanging() -> Component:
        await asyncio.Event().wait()
        raise AssertionError

    components = await HealthBoard({"a": well, "b": failing, "c": hanging}).components()
    assert {name: component.ok for name, component in components.items()} == {
        "a": True,
        "b": False,
        "c": False,
    }


async def test_ages_are_answered_to_the_millisecond() -> None:
    async def probe() -> Component:
        return Component(ok=True, freshness_s=1.23456789)

    components = await HealthBoard({"a": probe}).components()
    assert components["a"].freshness_s == 1.235


async def test_many_callers_cost_one_question() -> None:
    asked = 0

    async def probe() -> Component:
        nonlocal asked
        asked += 1
        return Component(ok=True)

    board = HealthBoard({"a": probe})
    await asyncio.gather(*(board.components() for _ in range(50)))
    assert asked == 1


async def test_metrics_are_prometheus_text(client: httpx.AsyncClient, bearer: Bearer, app: FastAPI) -> None:
    response = await client.get("/metrics", headers=bearer("read"))
    assert response.headers["content-type"].startswith("text/plain")
    assert "# TYPE loopin_api_requests_total counter" in response.text
