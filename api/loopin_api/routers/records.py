"""POST /api/metrics and /api/errors: what a backend measures of itself, and its errors, of document 004."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.auth import Caller
from loopin_api.body import json_body
from loopin_api.envelope import Moment
from loopin_api.ingest.single import Published, publish_one
from loopin_api.openapi import COMMON, LIMITED, WITH_BODY, failures, request_body
from loopin_api.queries.errors import NOBODY
from loopin_api.routers.activity import Id
from loopin_api.services import Ingester, Use
from loopin_producers.event_builder import build_event
from loopin_schemas import Event, InvalidEvent
from loopin_schemas.codec import decode_object, encode
from loopin_schemas.timestamps import parse_timestamp
from loopin_schemas.validation import MAX_PROPERTIES_BYTES, check_encoded_properties
from loopin_text.fingerprint import of_event

router = APIRouter(tags=["tracking"])

MAX_STACK_BYTES: Final = 16 * 1024
"""Longest stack trace that is kept, in bytes of UTF-8, its mark included."""

CORRECTED: Final = "Fields whose values override those that were recorded."

Level = Literal["debug", "info", "warning", "error", "critical"]


class _Record(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    uuid: str | None = Field(None, description="Its identity; sent twice it counts once. Made by default.")


class MeasuredParts(BaseModel):
    """What a measurement says beside its value, as document 003 has it."""

    component: str | None = Field(None, max_length=200, description="Component that was measured.")
    operation: str | None = Field(None, max_length=200, description="Operation that was measured.")
    response_time_ms: float | None = Field(None, ge=0, description="How long the operation took, ms.")
    status_code: int | None = Field(
        None, ge=100, le=599, description="HTTP status that it was answered with."
    )
    memory_usage_mb: float | None = Field(None, ge=0, description="Memory in use, MB of 1,000,000 bytes.")


class SystemMetricRequest(_Record, MeasuredParts):
    """A measurement."""

    metric_type: str = Field(min_length=1, max_length=200, description="What was measured: `cpu_usage`.")
    value: float = Field(description="The measurement, in the metric's own unit.")
    additional_data: dict[str, Any] = Field(
        default_factory=dict,
        description="Whatever belongs to it. Fields beside those listed here are kept in it; where it has "
        "one of the same name, that counts.",
    )
    recorded_at: str | float | None = Field(
        None, description="When: ISO 8601, or milliseconds since 1970; now by default."
    )


class SystemMetric(BaseModel):
    """A measurement as it is kept."""

    id: str = Field(description="Its identity.")
    metric_type: str = Field(description="What was measured.")
    value: float | None = Field(
        description="The measurement, in the metric's own unit; null where what was sent is no number."
    )
    component: str | None = Field(description="Component that was measured; null where it is not said.")
    operation: str | None = Field(description="Operation that was measured; null where it is not said.")
    response_time_ms: float | None = Field(description="How long it took, ms; null where it is not said.")
    status_code: int | None = Field(
        description="HTTP status that it was answered with; null where it is not said."
    )
    memory_usage_mb: float | None = Field(
        description="Memory in use, MB of 1,000,000 bytes; null where it is not said."
    )
    additional_data: dict[str, Any] = Field(description="Whatever belongs to it.")
    recorded_at: Moment = Field(description="When, ISO 8601 in UTC.")
    corrected_fields: list[str] = Field(description=CORRECTED)


class ErrorParts(BaseModel):
    """Where an error happened, and what was asked for."""

    stack_trace: str = Field("", description="Where it happened; cut at 16 KB, and marked.")
    url: str | None = Field(None, description="Address of the request.")
    method: str | None = Field(None, max_length=20, description="HTTP method of the request.")
    ip_address: str | None = Field(None, max_length=64, description="Address of the client.")
    user_agent: str | None = Field(None, description="The client's User-Agent.")


class ErrorLogRequest(_Record, ErrorParts):
    """An error that the backend logged."""

    level: Level = Field(description="Severity.")
    message: str = Field(min_length=1, description="The error's message.")
    user: Id | None = Field(None, description="Whom it met; the token's `sub` by default.")
    extra_data: dict[str, Any] = Field(
        default_factory=dict,
        description="Whatever belongs to it. Fields beside those listed here are kept in it; where it has "
        "one of the same name, that counts.",
    )


class ErrorLog(BaseModel):
    """An error as it is kept."""

    id: str = Field(description="Its identity.")
    user: str | None = Field(description="Whom it met; null where it is not said.")
    level: Level = Field(description="Severity.")
    message: str = Field(description="The error's message.")
    stack_trace: str = Field(description="Where it happened, at most 16 KB; marked where it was cut.")
    url: str | None = Field(description="Address of the request.")
    method: str | None = Field(description="HTTP method of the request.")
    ip_address: str | None = Field(description="Address of the client.")
    user_agent: str | None = Field(description="The client's User-Agent.")
    extra_data: dict[str, Any] = Field(description="Whatever belongs to it.")
    created_at: Moment = Field(description="When it was received, ISO 8601 in UTC.")
    resolved_at: Moment | None = Field(description="When it was resolved; null until then.")
    is_resolved: bool = Field(description="Whether it is resolved, by itself or with its group.")
    fingerprint: str | None = Field(
        description="Names the group of errors of its type and stack; null for what was stored without one."
    )
    corrected_fields: list[str] = Field(description=CORRECTED)


_ID: Final = "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10"
_AT: Final = "2026-01-15T10:30:00.000Z"
METRIC_EXAMPLE: Final[dict[str, Any]] = {
    "id": _ID,
    "metric_type": "cpu_usage",
    "value": 42.5,
    "component": None,
    "operation": None,
    "response_time_ms": None,
    "status_code": None,
    "memory_usage_mb": None,
    "additional_data": {},
    "recorded_at": _AT,
    "corrected_fields": [],
}
ERROR_EXAMPLE: Final[dict[str, Any]] = {
    "id": _ID,
    "user": None,
    "level": "error",
    "message": "Unhandled exception in view.",
    "stack_trace": "Traceback...",
    "url": None,
    "method": None,
    "ip_address": None,
    "user_agent": None,
    "extra_data": {},
    "created_at": _AT,
    "resolved_at": None,
    "is_resolved": False,
    "fingerprint": "5f2c1d6a0b9e4f7788a3c4d5e6f70812",
    "corrected_fields": [],
}


def _created(body: Any) -> dict[int | str, dict[str, Any]]:
    content = {"application/json": {"example": body}}
    return {
        201: {"description": "Acknowledged by the broker", "content": content},
        **failures(*COMMON, *WITH_BODY, *LIMITED),
    }


@router.post(
    "/api/metrics",
    status_code=201,
    summary="Create a system metric",
    responses=_created(METRIC_EXAMPLE),
    openapi_extra=request_body(SystemMetricRequest, {"cpu": {"metric_type": "cpu_usage", "value": 42.5}}),
)
async def post_metric(
    request: Request,
    response: Response,
    caller: Ingester,
    use: Use,
    body: Annotated[SystemMetricRequest, Depends(json_body(SystemMetricRequest))],
) -> SystemMetric:
    """Answers once the broker has acknowledged it. Needs the scope `ingest`."""
    said = _said(body, "additional_data", {"uuid", "recorded_at"})
    response.headers.update(await use.intake.admit(request, caller, 1))
    published = await publish_one(
        use.intake,
        caller,
        lambda now: _event(caller, "system_metric", NOBODY, said, body, body.recorded_at, now),
        lambda path: "recorded_at" if path == "timestamp" else _field(path),
    )
    return SystemMetric(
        id=_id(published), recorded_at=_at(published), corrected_fields=[], **_kept(published, said)
    )


@router.post(
    "/api/errors",
    status_code=201,
    summary="Log an error",
    responses=_created(ERROR_EXAMPLE),
    openapi_extra=request_body(
        ErrorLogRequest,
        {
            "error": {
                "level": "error",
                "message": "Unhandled exception in view.",
                "stack_trace": "Traceback...",
            }
        },
    ),
)
async def post_error(
    request: Request,
    response: Response,
    caller: Ingester,
    use: Use,
    body: Annotated[ErrorLogRequest, Depends(json_body(ErrorLogRequest))],
) -> ErrorLog:
    """Answers once the broker has acknowledged it. Needs the scope `ingest`."""
    user = caller.user if body.user is None else str(body.user)
    said = {**_said(body, "extra_data", {"uuid", "user"}), "stack_trace": shortened(body.stack_trace)}
    said["$ip"] = said.pop("ip_address")
    response.headers.update(await use.intake.admit(request, caller, 1))
    published = await publish_one(
        use.intake,
        caller,
        lambda now: _event(caller, "error_logged", user or NOBODY, said, body, None, now),
        lambda path: "user" if path == "distinct_id" else _field(path),
    )
    kept = _kept(published, said)
    return ErrorLog(
        id=_id(published),
        user=user,
        ip_address=kept.pop("$ip"),
        created_at=_at(published),
        resolved_at=None,
        is_resolved=False,
        fingerprint=of_event("error_logged", kept),
        corrected_fields=[],
        **kept,
    )


def _said(body: _Record, rest: str, without: set[str]) -> dict[str, Any]:
    """The listed fields; ``rest`` names the one that keeps the others."""
    others = body.model_extra or {}
    said = body.model_dump(exclude=without | others.keys())
    return {**said, rest: {**others, **said[rest]}}


def shortened(trace: str) -> str:
    """A stack trace of at most 16 KB, marked at its end where it was cut."""
    body = trace.encode("utf-8", "surrogatepass")
    if len(body) <= MAX_STACK_BYTES:
        return trace
    mark = f"\n[cut: {len(body)} bytes]"
    return body[: MAX_STACK_BYTES - len(mark)].decode("utf-8", "ignore") + mark


def _event(
    caller: Caller,
    name: str,
    user: str,
    said: dict[str, Any],
    body: _Record,
    timestamp: str | float | None,
    now_ms: int,
) -> Event:
    known = {key: value for key, value in said.items() if value is not None}
    try:
        return build_event(
            caller.project,
            name,
            user,
            known,
            now_ms=now_ms,
            timestamp=timestamp,
            uuid=body.uuid,
            source="api",
        )
    except InvalidEvent as error:
        if error.field != "properties":
            raise
        raise _by_field(error, body) from None


def _by_field(error: InvalidEvent, body: _Record) -> InvalidEvent:
    """What is wrong with all properties together, by the request's own field: the one that holds it."""
    sent = body.model_dump(exclude_unset=True)
    if "stack_trace" in sent:
        sent["stack_trace"] = shortened(sent["stack_trace"])
    encoded = {name: encode(value) for name, value in sent.items()}
    if error.code == "properties_too_large":
        field = max(encoded, key=lambda name: len(encoded[name]))
        reason = f"All fields may take {MAX_PROPERTIES_BYTES} bytes together; shorten {field}, the longest."
        return InvalidEvent(error.code, field, reason)
    # The name of a field that is not listed may be at fault, too.
    found = next((name for name, value in encoded.items() if _is_refused(value)), error.field)
    return InvalidEvent(error.code, found, error.reason)


def _is_refused(value: bytes) -> bool:
    try:
        check_encoded_properties(value)
    except InvalidEvent:
        return True
    return False


def _kept(published: Published, said: dict[str, Any]) -> dict[str, Any]:
    """What was said, as it is kept: scrubbed."""
    return {**dict.fromkeys(said), **decode_object(published.event.properties)}


def _id(published: Published) -> str:
    return str(published.event.uuid)


def _at(published: Published) -> datetime:
    return datetime.fromtimestamp(parse_timestamp(published.event.timestamp) / 1000, UTC)


def _field(path: str | None) -> str | None:
    """What the request calls the event's field: properties stand at its top."""
    return None if path is None else path.removeprefix("properties.").replace("$ip", "ip_address")
