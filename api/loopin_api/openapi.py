"""The OpenAPI description: errors and bodies that FastAPI cannot see by itself, with examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from loopin_api.envelope import Failure
from loopin_api.errors import ApiError

EXAMPLE_TIME: Final = "2026-01-15T10:30:00.000Z"

DESCRIPTION: Final = """Event analytics: track events, query metrics, export what is stored.

Good answers under `/api/analytics` are `{"success": true, "data": ..., "timestamp": ...}`, errors
`{"success": false, "error": ..., "error_code": ..., "details": [...], "timestamp": ...}`. A trailing slash
is optional on every path. Every field's unit stands in its description."""

_FAILURES: Final[Mapping[int, tuple[str, str, str, list[dict[str, str]]]]] = {
    400: (
        "Malformed request",
        "MALFORMED_JSON",
        "The body is not JSON (trailing characters (byte 8)); correct it.",
        [],
    ),
    401: (
        "No valid token or key",
        "INVALID_TOKEN",
        "This key is not known; use one that exists (`loopin keys`).",
        [],
    ),
    403: (
        "The scope is missing",
        "INSUFFICIENT_SCOPE",
        "This needs the scope read; use a token or key that has it.",
        [],
    ),
    404: (
        "There is nothing of this name",
        "UNKNOWN_METRIC",
        "There is no metric of this name; GET /api/analytics/metric-definitions lists them.",
        [],
    ),
    408: ("The body took too long to arrive", "BODY_TIMEOUT", "Send the body within 30 seconds.", []),
    402: (
        "The project's quota is spent",
        "QUOTA_SPENT",
        "The project may send 1000000 events a day, and has; raise LOOPIN_QUOTA_EVENTS_PER_DAY, or send the "
        "rest tomorrow.",
        [],
    ),
    409: (
        "It would contradict what is there",
        "NAME_TAKEN",
        "A metric of this name exists; choose another name.",
        [],
    ),
    413: ("The body is too large", "BODY_TOO_LARGE", "Send at most 131072 bytes.", []),
    415: (
        "The body is not JSON by its type",
        "UNSUPPORTED_MEDIA_TYPE",
        "Send the body as application/json.",
        [],
    ),
    422: (
        "A value is invalid",
        "VALIDATION_ERROR",
        "Correct the fields named in details.",
        [{"field": "days", "reason": "Give 1 or more."}],
    ),
    429: (
        "Too much in this minute; see Retry-After",
        "RATE_LIMITED",
        "This key may send 600000 events a minute; wait as long as Retry-After says.",
        [],
    ),
    500: (
        "The server failed",
        "INTERNAL_ERROR",
        "The server failed; try again, and report it if it stays.",
        [],
    ),
    503: (
        "The store or the broker is away; see Retry-After",
        "STORE_UNREACHABLE",
        "ClickHouse does not answer; check that it runs and LOOPIN_CLICKHOUSE_URL.",
        [],
    ),
}

COMMON: Final = (401, 403, 422, 500, 503)
"""Errors that every guarded endpoint can answer with."""

WITH_BODY: Final = (400, 408, 413, 415)
"""Errors that every endpoint with a request body can answer with beside the common ones."""

LIMITED: Final = (402, 429)
"""Errors that every endpoint which takes events can answer with beside those."""

COMPATIBLE: Final = (400, 401, 402, 403, 408, 413, 415, 429, 503)
"""What those that speak as PostHog and Segment do can answer with, beside 500."""

Responses = dict[int | str, dict[str, Any]]


def failures(*statuses: int) -> Responses:
    """The ``responses`` of a route for these error statuses, each with an example."""
    return {status: _failure(status) for status in statuses}


def failures_as(model: type[BaseModel], words: Callable[[ApiError], Any], *statuses: int) -> Responses:
    """The same for a route that answers errors as ``words`` writes them, and 500 as all do."""
    described: Responses = {}
    for status in statuses:
        description, code, message, _ = _FAILURES[status]
        example = words(ApiError(status, code, message))
        content = {"application/json": {"example": example}}
        described[status] = {"model": model, "description": description, "content": content}
    return {**described, **failures(500)}


def bare(description: str, body: Any) -> Responses:
    """The good response of a route that answers outside the envelope, with an example."""
    return {200: {"description": description, "content": {"application/json": {"example": body}}}}


def page(description: str, row: Any) -> Responses:
    """The responses of a route that answers a page of document C's rows, with one as the example."""
    body = {"count": 1, "next": None, "previous": None, "results": [row]}
    return {**bare(description, body), **failures(404, *COMMON)}


def _failure(status: int) -> dict[str, Any]:
    description, code, message, details = _FAILURES[status]
    example = {
        "success": False,
        "error": message,
        "error_code": code,
        "details": details,
        "timestamp": EXAMPLE_TIME,
    }
    return {
        "model": Failure,
        "description": description,
        "content": {"application/json": {"example": example}},
    }


def success(description: str, data: Any) -> Responses:
    """The good response of a route, with an example of what stands in ``data``."""
    example = {"success": True, "data": data, "timestamp": EXAMPLE_TIME}
    return {200: {"description": description, "content": {"application/json": {"example": example}}}}


def request_body(
    model: type[BaseModel], examples: Mapping[str, Any], *, required: bool = True
) -> dict[str, Any]:
    """The ``openapi_extra`` of a route whose body is read by ``json_body(model)``."""
    content = {
        "schema": {"$ref": f"#/components/schemas/{model.__name__}"},
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


def install(app: FastAPI, routers: Sequence[APIRouter], bodies: Sequence[type[BaseModel]]) -> None:
    """Make the application describe its request bodies, and its examples whole."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes
            )
            _, definitions = models_json_schema(
                [(body, "validation") for body in bodies], ref_template="#/components/schemas/{model}"
            )
            schema["components"]["schemas"].update(definitions["$defs"])
            _restore_examples(schema, routers)
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = describe  # type: ignore[method-assign]  # FastAPI's documented way to extend it


def _restore_examples(schema: dict[str, Any], routers: Sequence[APIRouter]) -> None:
    """FastAPI leaves out whatever is null, in examples too, where null is part of the answer."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    for route in filter(lambda route: route.include_in_schema, routes):
        for method in route.methods or ():
            described = schema["paths"][route.path_format][method.lower()]["responses"]
            for status, response in route.responses.items():
                for media, content in response["content"].items():
                    described[str(status)]["content"][media]["example"] = content["example"]
