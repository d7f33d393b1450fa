"""What PostHog's SDKs send to: their host is changed, nothing else."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.auth import Caller
from loopin_api.errors import ApiError
from loopin_api.ingest.answers import answer, refuse_if, refuse_wholly_dropped
from loopin_api.ingest.dialect import speaking
from loopin_api.ingest.intake import now
from loopin_api.ingest.posthog import Reader
from loopin_api.ingest.posthog_body import Batch, batch_of, uncoded
from loopin_api.openapi import COMPATIBLE, bare, failures, failures_as, request_body
from loopin_api.routers.batch import EventReceipt
from loopin_api.services import Use

_TYPES: Final = {401: "authentication_error", 429: "throttled_error"}


class PostHogError(BaseModel):
    """A refusal in PostHog's words."""

    type: str = Field(description="Kind of error.")
    code: str = Field(description="Stable lower_snake code for programs.")
    detail: str = Field(description="One sentence for a person, which says what to do.")
    attr: str | None = Field(description="Always null.")


def _words(error: ApiError) -> dict[str, Any]:
    kind = _TYPES.get(error.status, "server_error" if error.status >= 500 else "validation_error")
    return {"type": kind, "code": error.code.lower(), "detail": error.message, "attr": None}


router = APIRouter(tags=["PostHog's SDKs"], route_class=speaking(_words))


class PostHogEvent(BaseModel):
    """An event as PostHog's SDKs send it."""

    model_config = ConfigDict(extra="allow")

    event: str = Field(description="What happened, 1 to 200 characters.")
    distinct_id: str | int | None = Field(None, description="Who did it; may stand in the properties.")
    uuid: str | None = Field(None, description="Identity of the event; sent twice it counts once.")
    timestamp: str | None = Field(None, description="When it happened, ISO 8601.")
    offset: float | None = Field(None, description="Instead: so many ms before it was received.")
    properties: dict[str, Any] = Field(default_factory=dict, description="The event's properties.")


class PostHogBatch(BaseModel):
    """Events of a project. A list of events, and one event, are taken as well."""

    model_config = ConfigDict(extra="allow")

    api_key: str | None = Field(None, description="The project's write key; may stand in an event.")
    batch: list[PostHogEvent] = Field(max_length=1000, description="1 to 1,000 events.")
    sent_at: str | None = Field(None, description="The client's clock as it sends this, ISO 8601.")
    historical_migration: bool = Field(False, description="True: the clock's error is not taken off.")


class PostHogAnswer(BaseModel):
    """The broker has acknowledged every event that is not reported otherwise."""

    status: Literal[1] = Field(description="Always 1.")
    receipts: list[EventReceipt] = Field(description="One for each event, in order.")


_PATHS: Final = {
    "/batch": "PostHog: events of a server",
    "/capture": "PostHog: an event",
    "/e": "PostHog: events of a browser",
    "/i/v0/e": "PostHog: events of a browser, by its newer path",
    "/i/v0/ai/batch": "PostHog: events of language models",
}
Data = Annotated[str, Query(description="The events, as JSON or as base64 of it.")]
_NO_KEY: Final = "Give the SDK the project's write key (lp_w_...): it is sent as api_key in the body."

_EXAMPLE: Final = {
    "api_key": "lp_w_...",
    "batch": [
        {
            "event": "ticket_purchased",
            "distinct_id": "user-17",
            "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
            "timestamp": "2026-01-15T10:30:00Z",
            "properties": {"amount": 500.0, "currency": "INR"},
        }
    ],
    "sent_at": "2026-01-15T10:30:01Z",
}
_ANSWER: Final = {
    "status": 1,
    "receipts": [
        {"uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10", "result": "ok", "reason": None, "code": None}
    ],
}


async def post_events(request: Request, use: Use) -> Response:
    """Answers once the broker has acknowledged the events; authenticated by the write key in the body.

    Understood are a batch, a list and a single event; Content-Encoding gzip, deflate, br and zstd;
    `compression=gzip-js` and `base64`; and `data=` forms. What PostHog mends is mended: names and ids longer
    than 200 characters are cut, NUL characters taken out, frames of exceptions left out where they take more
    than 32 KB. A refused event costs the others nothing, and becomes a dead letter; where no event is
    accepted, the answer is 400. Where one was not acknowledged, it is 503: sent again, no event counts twice.
    """
    intake = use.intake
    caller = await intake.by_header(request)
    async with intake.received(request) as coded:
        return await _take(request, use, caller, coded)


async def get_events(request: Request, use: Use, data: Data) -> Response:
    """As the same path takes it in a body, in the address; authenticated by the write key in the event."""
    caller = await use.intake.by_header(request)
    coded = f"data={quote(data)}".encode()
    await use.intake.count_bytes(request, len(coded))
    return await _take(request, use, caller, coded)


async def _take(request: Request, use: Use, caller: Caller | None, coded: bytes) -> Response:
    intake = use.intake
    form = "x-www-form-urlencoded" in request.headers.get("content-type", "")
    async with uncoded(coded, form, request.query_params, intake.bodies) as sent:
        if (more := len(sent.body) - len(coded)) > 0:
            await intake.count_bytes(request, more)
        batch = batch_of(await intake.sound(request, sent.body), sent.asked)
        return await _publish(request, use, caller, batch)


async def _publish(request: Request, use: Use, caller: Caller | None, batch: Batch) -> Response:
    intake = use.intake
    caller = caller or await intake.by_key(request, batch.key, _NO_KEY)
    headers = await intake.admit(request, caller, len(batch.events))
    claimed = _reader(request, use, caller.project, batch).claim
    receipts = await intake.publish(caller, batch.events, claimed, receipts_are_read=False)
    refuse_if(receipts, any)
    refuse_wholly_dropped(receipts)
    if request.query_params.get("beacon") == "1":
        return Response(status_code=204, headers=headers)
    return answer({"status": 1, "receipts": receipts}, headers)


_RESPONSES: Final = {
    **bare("A receipt for each event", _ANSWER),
    **failures_as(PostHogError, _words, *COMPATIBLE),
}

for _path, _summary in _PATHS.items():
    router.post(
        _path,
        summary=_summary,
        response_model=PostHogAnswer,
        responses=_RESPONSES,
        openapi_extra=request_body(PostHogBatch, {"batch": _EXAMPLE}),
    )(post_events)
for _path in ("/e", "/capture"):
    router.get(
        _path,
        summary="PostHog: events in an image's address",
        response_model=PostHogAnswer,
        responses={**_RESPONSES, **failures(422)},
    )(get_events)


def _reader(request: Request, use: Use, project: str, batch: Batch) -> Reader:
    client = use.intake.connection(request)
    if request.query_params.get("ip") == "0":
        client = client._replace(address=None)
    return Reader(
        project=project,
        key=batch.key or "",
        client=client,
        now_ms=now(),
        sent_at=batch.sent_at,
        skewed=not batch.historical,
        keyed_by_event=batch.keyed_by_event,
        mending=True,
    )
