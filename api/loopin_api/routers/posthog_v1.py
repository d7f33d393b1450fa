"""POST /i/v1/analytics/events: what PostHog's SDKs send in their capture mode v1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response, Security
from msgspec import Raw
from pydantic import BaseModel, Field

from loopin_api.errors import ApiError
from loopin_api.ingest.answers import answer, refuse_if, retry_header
from loopin_api.ingest.dialect import speaking
from loopin_api.ingest.incoming import NOTHING, elements, name_of, scan
from loopin_api.ingest.intake import now
from loopin_api.ingest.posthog import Reader, library_of
from loopin_api.ingest.receipts import Receipt, Result
from loopin_api.openapi import COMPATIBLE, bare, failures_as, request_body
from loopin_api.services import KEY, TOKEN, Use

REQUEST_ID: Final = "PostHog-Request-Id"


class PostHogV1Error(BaseModel):
    """A refusal in the words of PostHog's version 1."""

    error: str = Field(description="Stable lower_snake code for programs.")
    error_description: str = Field(description="One sentence for a person, which says what to do.")


def _words(error: ApiError) -> dict[str, Any]:
    return {"error": error.code.lower(), "error_description": error.message}


router = APIRouter(tags=["PostHog's SDKs"], route_class=speaking(_words))


class PostHogV1Event(BaseModel):
    """An event of version 1."""

    event: str = Field(description="What happened, 1 to 200 characters.")
    uuid: str = Field(description="Identity of the event; sent twice it counts once.")
    distinct_id: str = Field(description="Who did it, 1 to 200 characters.")
    timestamp: str = Field(description="When it happened, ISO 8601.")
    session_id: str | None = Field(None, description="Session it belongs to.")
    window_id: str | None = Field(None, description="Window it belongs to.")
    options: dict[str, Any] = Field(default_factory=dict, description="How it is to be taken.")
    properties: dict[str, Any] = Field(default_factory=dict, description="The event's properties.")


class PostHogV1Batch(BaseModel):
    """Events of a project."""

    created_at: str = Field(description="When the batch was put together, ISO 8601.")
    batch: list[PostHogV1Event] = Field(max_length=1000, description="1 to 1,000 events.")
    historical_migration: bool = Field(False, description="True: the clock's error is not taken off.")


class PostHogV1Result(BaseModel):
    """What became of one event."""

    result: Literal["ok", "warning", "drop", "retry"] = Field(
        description="`ok`, `warning`: the broker has it; `drop`: refused for good; `retry`: send it again."
    )
    details: str | None = Field(None, description="One sentence for a person; left out for `ok`.")


class PostHogV1Answer(BaseModel):
    """What became of the events."""

    results: dict[str, PostHogV1Result] = Field(description="By the event's uuid, as it was sent.")


class _Body(msgspec.Struct):
    batch: Raw = NOTHING
    historical_migration: Raw = NOTHING


_body: Final = msgspec.json.Decoder(_Body)

_SEVERITY: Final[Sequence[Result]] = ("ok", "warning", "drop", "retry")

_EXAMPLE: Final = {
    "created_at": "2026-01-15T10:30:01Z",
    "batch": [
        {
            "event": "ticket_purchased",
            "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
            "distinct_id": "user-17",
            "timestamp": "2026-01-15T10:30:00Z",
            "options": {},
            "properties": {"amount": 500.0, "currency": "INR"},
        }
    ],
}
_ANSWER: Final = {"results": {"01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10": {"result": "ok"}}}


@router.post(
    "/i/v1/analytics/events",
    summary="PostHog: events, each with its result",
    response_model=PostHogV1Answer,
    responses={
        **bare("A result for each event", _ANSWER),
        **failures_as(PostHogV1Error, _words, *COMPATIBLE),
    },
    openapi_extra=request_body(PostHogV1Batch, {"batch": _EXAMPLE}),
)
async def post_events(
    request: Request, use: Use, _by_token: object = Security(TOKEN), _by_key: object = Security(KEY)
) -> Response:
    """Answers once the broker has acknowledged the events, with a result for each.

    The body may be compressed (gzip, deflate, br or zstd). Needs the scope `ingest`.
    """
    intake = use.intake
    caller = await intake.by_header(request) or await intake.by_key(request, None)
    async with intake.received(request) as text:
        body = scan(_body, await intake.sound(request, text))
        events = elements(body.batch, "batch")
        headers = await intake.admit(request, caller, len(events))
        reader = Reader(
            project=caller.project,
            key="",
            client=intake.connection(request),
            now_ms=now(),
            sent_at=request.headers.get("posthog-request-timestamp"),
            skewed=bytes(body.historical_migration) != b"true",
            library=library_of(request.headers.get("posthog-sdk-info", "")),
        )
        receipts = await intake.publish(caller, events, reader.claim)
        named = [_named(raw, receipt) for raw, receipt in zip(events, receipts, strict=True)]
    refuse_if(receipts, all)
    return answer({"results": _results(named)}, {**headers, **retry_header(receipts), **_request_id(request)})


def _named(raw: Raw, receipt: Receipt) -> tuple[str, Receipt]:
    """The receipt under the uuid that the client knows the event by."""
    return name_of(raw) or receipt.uuid or "", receipt


def _results(named: Sequence[tuple[str, Receipt]]) -> dict[str, dict[str, str]]:
    """Results by uuid; of several events with one uuid, the gravest counts."""
    results: dict[str, dict[str, str]] = {}
    for uuid, receipt in sorted(named, key=lambda one: _SEVERITY.index(one[1].result)):
        results[uuid] = {"result": receipt.result}
        if receipt.reason is not None:
            results[uuid]["details"] = receipt.reason
    return results


def _request_id(request: Request) -> Mapping[str, str]:
    """The request's own id, to find it again in the client's log."""
    given = request.headers.get(REQUEST_ID, "")
    return {REQUEST_ID: given} if given.isascii() and given.isprintable() and 0 < len(given) <= 200 else {}
