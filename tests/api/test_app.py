"""What holds for every path: slashes, methods, unknown paths, failures of the store, and what is logged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from loopin_api.app import create_app
from loopin_api.settings import ApiSettings, ConfigurationError
from loopin_sinks.store import RowStream, StoreError
from loopin_sinks.store.errors import DISK_FULL, QUERY_FAILED, QUERY_TIMEOUT, STORE_BUSY, STORE_UNREACHABLE

if TYPE_CHECKING:
    from tests.api.conftest import Bearer, Broker

Refused = Callable[[httpx.Response, int, str], dict[str, Any]]
PATHS = ["/", "/healthz", "/readyz", "/metrics", "/api/analytics/health", "/api/analytics/overview"]
PATHS += ["/api/analytics/export/events", "/api/analytics/export?dataset=events", "/openapi.json"]
PATHS += ["/static/loopin.js"]


class BrokenStore:
    """A store that fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> list[dict[str, Any]]:
        raise self.error

    def stream(
        self, sql: str, parameters: Mapping[str, object] | None = None
    ) -> AbstractAsyncContextManager[RowStream]:
        @asynccontextmanager
        async def opening() -> AsyncIterator[RowStream]:
            raise self.error
            yield

        return opening()

    async def ping(self) -> None:
        raise self.error

    async def version(self) -> str:
        raise self.error

    async def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        raise self.error

    async def insert(self, table: str, rows: Any, *, token: str) -> None:
        raise self.error

    async def close(self) -> None:
        raise self.error


def over(settings: ApiSettings, broker: Broker, error: Exception) -> httpx.AsyncClient:
    app = create_app(settings, BrokenStore(error), broker)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://api")


@pytest.mark.parametrize("path", PATHS)
async def test_a_trailing_slash_changes_nothing(client: httpx.AsyncClient, bearer: Bearer, path: str) -> None:
    bare, _, query = path.partition("?")
    plain = await client.get(path, headers=bearer("read"))
    slashed = await client.get(f"{bare.rstrip('/')}/?{query}", headers=bearer("read"))
    assert plain.status_code == slashed.status_code == 200
    assert plain.headers["content-type"] == slashed.headers["content-type"]


async def test_a_posted_path_takes_a_slash_too(client: httpx.AsyncClient, bearer: Bearer) -> None:
    for path in ("/api/analytics/sentiment/", "/api/analytics/sentiment"):
        response = await client.post(path, json={"text": "good"}, headers=bearer("read"))
        assert response.status_code == 200


@pytest.mark.parametrize("path", [*PATHS, "/api/analytics/overview/"])
async def test_head_is_get_without_the_body(client: httpx.AsyncClient, bearer: Bearer, path: str) -> None:
    got = await client.get(path, headers=bearer("read"))
    head = await client.head(path, headers=bearer("read"))
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]


async def test_head_is_refused_where_get_is(client: httpx.AsyncClient) -> None:
    for path, status in (
        ("/nothing", 404),
        ("/api/analytics/sentiment", 405),
        ("/api/analytics/overview", 401),
    ):
        response = await client.head(path)
        assert (response.status_code, response.content) == (status, b"")


@pytest.mark.parametrize("path", ["/api/analytics/overview", "/api/analytics/export/events", "/metrics"])
async def test_unknown_parameters_are_named_to_those_who_may_ask(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, path: str
) -> None:
    response = await client.get(f"{path}?evnt=a&evnt=b", headers=bearer("read"))
    answer = refused(response, 422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in answer["details"]] == ["evnt"]
    refused(await client.get(f"{path}?evnt=a"), 401, "UNAUTHENTICATED")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/analytics/insights", {}),
        ("/api/analytics/insights/generate", {}),
        ("/api/analytics/user-behavior", {"user_id": 1}),
        ("/api/analytics/clustering", {}),
        ("/api/analytics/sentiment", {"text": "good"}),
    ],
)
async def test_so_are_those_of_what_is_posted(
    client: httpx.AsyncClient, bearer: Bearer, refused: Refused, path: str, body: dict[str, Any]
) -> None:
    asked = f"{path}?evnt=a&evnt=b"
    response = await client.post(asked, json=body, headers=bearer("read", "write"))
    answer = refused(response, 422, "VALIDATION_ERROR")
    assert [detail["field"] for detail in answer["details"]] == ["evnt"]
    refused(await client.post(asked, json=body), 401, "UNAUTHENTICATED")


async def test_events_are_taken_whatever_a_library_adds_to_the_path(
    client: httpx.AsyncClient, bearer: Bearer
) -> None:
    path = "/api/analytics/events/track/?compression=gzip-js&ver=1.2"
    response = await client.post(path, json={"event_name": "click", "user_id": "u"}, headers=bearer("ingest"))
    assert response.is_success, response.text


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api",
        "/api/analytics",
        "/api/analytics/overview//",
        "/api/analytics/../x",
        "/%00",
        "/%ff",
    ],
)
async def test_unknown_paths_are_not_found(client: httpx.AsyncClient, refused: Refused, path: str) -> None:
    refused(await client.get(path), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/analytics/overview", "GET"),
        ("GET", "/api/analytics/sentiment", "POST"),
        ("PUT", "/api/analytics/events/track/", "POST"),
        ("DELETE", "/api/analytics/export/events", "GET"),
        ("PATCH", "/healthz", "GET"),
    ],
)
async def test_other_methods_are_refused_with_the_right_ones(
    client: httpx.AsyncClient, refused: Refused, method: str, path: str, allowed: str
) -> None:
    response = await client.request(method, path)
    refused(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["Allow"] == allowed


@pytest.mark.parametrize("code", [STORE_UNREACHABLE, QUERY_TIMEOUT, STORE_BUSY, DISK_FULL])
@pytest.mark.parametrize("path", ["/api/analytics/overview", "/api/analytics/export/events"])
async def test_a_store_that_is_away_is_answered_with_503(
    settings: ApiSettings, broker: Broker, bearer: Bearer, refused: Refused, path: str, code: str
) -> None:
    async with over(settings, broker, StoreError(code, "Wait for it.")) as client:
        response = await client.get(path, headers=bearer("read"))
    assert refused(response, 503, code.upper())["error"] == "Wait for it."
    assert int(response.headers["Retry-After"]) > 0


async def test_a_query_that_cannot_run_is_answered_with_500(
    settings: ApiSettings, broker: Broker, bearer: Bearer, refused: Refused
) -> None:
    async with over(settings, broker, StoreError(QUERY_FAILED, "It cannot run.")) as client:
        refused(await client.get("/api/analytics/overview", headers=bearer("read")), 500, "QUERY_FAILED")


async def test_what_nobody_expected_is_answered_and_logged_without_secrets(
    settings: ApiSettings,
    broker: Broker,
    bearer: Bearer,
    refused: Refused,
    capsys: pytest.CaptureFixture[str],
) -> None:
    headers = bearer("read")
    async with over(settings, broker, ZeroDivisionError("inner detail")) as client:
        response = await client.get("/api/analytics/overview", headers=headers)
    refused(response, 500, "INTERNAL_ERROR")
    assert "inner detail" not in response.text
    logged = capsys.readouterr()
    assert "ZeroDivisionError" in logged.out + logged.err
    assert headers["Authorization"].split(".")[-1] not in logged.out + logged.err


async def test_answers_are_not_to_be_kept_or_guessed_at(client: httpx.AsyncClient) -> None:
    headers = (await client.get("/healthz")).headers
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_with_a_secret_that_can_be_guessed_there_is_no_app(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_JWT_SECRET", "too short")
    with pytest.raises(ConfigurationError):
        create_app(ApiSettings(), BrokenStore(RuntimeError()), broker)


async def test_requests_are_counted_by_route_never_by_path(client: httpx.AsyncClient, bearer: Bearer) -> None:
    for path in ("/healthz", "/healthz/", "/a", "/b"):
        await client.get(path)
    await client.request("BREW", "/healthz")
    text = (await client.get("/metrics", headers=bearer("read"))).text
    assert 'loopin_api_requests_total{method="GET",route="/healthz",status="200"} 2.0' in text
    assert 'loopin_api_requests_total{method="GET",route="unmatched",status="404"} 2.0' in text
    assert 'loopin_api_requests_total{method="other",route="/healthz",status="405"} 1.0' in text
    assert "loopin_api_open_requests 1.0" in text


def test_every_path_is_guarded_or_meant_to_be_public(app: FastAPI) -> None:
    described = app.openapi()["paths"]
    open_paths = {
        path for path, ways in described.items() if not any("security" in way for way in ways.values())
    }
    public = {"/", "/healthz", "/readyz", "/api/analytics/health", "/static/loopin.js"}
    # What PostHog's SDKs ask for, and get empty: there is nothing to guard.
    empty = {"/flags", "/flags/definitions", "/decide", "/array/{token}/config", "/array/{token}/config.js"}
    empty |= {"/api/feature_flag/local_evaluation", "/api/surveys", "/api/early_access_features"}
    empty |= {"/api/web_experiments", "/api/product_tours"}
    empty |= {"/api/projects/{project}/feature_flags/{flag}/remote_config"}
    # Their own tests show that nothing is taken without a valid key.
    by_key_in_body = {"/batch", "/capture", "/e", "/i/v0/e", "/i/v0/ai/batch"}
    by_key_in_body |= {path for path in open_paths if path.startswith("/v1/")}
    assert open_paths == public | empty | by_key_in_body
    assert all(
        isinstance(route, APIRoute) for route in app.router.routes if getattr(route, "path", "") in described
    )
