"""POST /api/analytics/events/batch: what our own SDKs send."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response, Security
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.envelope import Success
from loopin_api.ingest.answers import enveloped
from loopin_api.ingest.claims import OTHER_PROJECT, Claim, Note
from loopin_api.ingest.client_side import Connection
from loopin_api.ingest.incoming import NOTHING, decode_one, elements, plain, scan
from loopin_api.openapi import COMMON, LIMITED, WITH_BODY, failures, request_body, success
from loopin_api.services import KEY, TOKEN, Use
from loopin_schemas import Event, Source, encode
from loopin_schemas.event import NO_PROPERTIES
from loopin_schemas.validation import check_properties

router = APIRouter(tags=["tracking"])


class EventReceipt(BaseModel):
    """What became of one event."""

    uuid: str | None = Field(description="The event's identity; null for a refused event without one.")
    result: Literal["ok", "warning", "drop", "retry"] = Field(
        description="`ok`, `warning`: acknowledged by the broker, on all replicas; `drop`: refused for good; "
        "`retry`: send it again with the same uuid."
    )
    reason: str | None = Field(description="One sentence for a person; null for `ok`.")
    code: str | None = Field(description="Stable lower_snake code for programs; null for `ok`.")


class Receipts(BaseModel):
    """One receipt for each event."""

    receipts: list[EventReceipt] = Field(description="In the order of the request's events.")


class BatchEvent(BaseModel):
    """One event, as on the topic `events.raw`."""

    event: str = Field(description="What happened, 1 to 200 characters.")
    distinct_id: str = Field(description="Who did it, 1 to 200 characters.")
    uuid: str | None = Field(
        None, description="Identity of the event; sent twice it counts once. Made by the server by default."
    )
    timestamp: str | float | None = Field(
        None, description="When it happened: ISO 8601, or milliseconds since 1970; its arrival by default."
    )
    queued_at: int | None = Field(None, description="When the client queued it, milliseconds since 1970.")
    session_id: str | None = Field(None, description="Session it belongs to, 1 to 200 characters.")
    properties: dict[str, Any] = Field(
        default_factory=dict, description="At most 32 KB of JSON, nested at most 20 deep."
    )
    source: Source = Field("sdk", description="Where the event was made.")
    parent_uuid: str | None = Field(None, description="The event that gave rise to this one.")
    project: str | None = Field(
        None, description="The key's project, which is its default; another one earns a `warning`."
    )


class BatchRequest(BaseModel):
    """Events, each at most 64 KB."""

    model_config = ConfigDict(extra="ignore")

    events: list[BatchEvent] = Field(max_length=1000, description="1 to 1,000 events.")
    sent_at: str | float | None = Field(
        None, description="The client's clock as it sends this; its error is taken off the events' times."
    )
    api_key: str | None = Field(None, description="The write key, for pages that cannot send a header.")


class _Body(msgspec.Struct):
    events: Raw = NOTHING
    sent_at: Raw = NOTHING
    api_key: str | None = None


class _Event(msgspec.Struct):
    event: str
    distinct_id: str
    uuid: str | None = None
    timestamp: str | int | float | None = None
    queued_at: int | None = None
    session_id: str | None = None
    properties: Raw = NO_PROPERTIES
    source: Source = "sdk"
    parent_uuid: str | None = None
    project: Raw = NOTHING


_body: Final = msgspec.json.Decoder(_Body)
_event: Final = msgspec.json.Decoder(_Event)

_NO_KEY: Final = "Send the header Authorization: Bearer with a key, or the write key as api_key in the body."

_EXAMPLE: Final = {
    "events": [
        {
            "event": "ticket_purchased",
            "distinct_id": "user-17",
            "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
            "timestamp": "2026-01-15T10:30:00Z",
            "properties": {"amount": 500.0, "currency": "INR"},
        },
        {"event": "", "distinct_id": "user-17", "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a11"},
    ],
    "sent_at": "2026-01-15T10:30:01Z",
}
_ANSWER: Final = {
    "receipts": [
        {"uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10", "result": "ok", "reason": None, "code": None},
        {
            "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a11",
            "result": "drop",
            "reason": "The event is empty; send 1 to 200 characters.",
            "code": "event_name_empty",
        },
    ]
}


@router.post(
    "/api/analytics/events/batch",
    summary="Track many events",
    response_model=Success[Receipts],
    responses={**success("A receipt for each event", _ANSWER), **failures(*COMMON, *WITH_BODY, *LIMITED)},
    openapi_extra=request_body(BatchRequest, {"batch": _EXAMPLE}),
)
async def post_batch(
    request: Request, use: Use, _by_token: object = Security(TOKEN), _by_key: object = Security(KEY)
) -> Response:
    """Answers once the broker has acknowledged the events, each with a receipt.

    The body may be compressed (gzip, deflate, br or zstd). An event that breaks a rule costs the others
    nothing. With a `retry` among the receipts there is a Retry-After; when no event was acknowledged the
    answer is 503. Needs the scope `ingest`.
    """
    intake = use.intake
    caller = await intake.by_header(request)
    async with intake.received(request) as text:
        body = scan(_body, await intake.sound(request, text))
        caller = caller or await intake.by_key(request, body.api_key, _NO_KEY)
        events = elements(body.events, "events")
        headers = await intake.admit(request, caller, len(events))
        claimed = partial(_claim, caller.project, intake.connection(request), plain(body.sent_at))
        receipts = await intake.publish(caller, events, claimed)
    return enveloped(receipts, headers)


def _claim(project: str, client: Connection, sent_at: str | float | None, raw: Raw) -> Claim:
    """An event of the body. What a page leaves out of itself is added, unless it is set to null.

    Raises:
        InvalidEvent: it has not the form of an event.
    """
    said = decode_one(_event, raw)
    notes: list[Note] = []
    if said.project is not NOTHING and plain(said.project) not in (None, project):
        notes.append(Note(OTHER_PROJECT, f"The key is the project {project}'s, and so is the event now."))
    fields = msgspec.structs.asdict(said)
    event = Event(**{**fields, "project": project, "sent_at": sent_at})
    if client.browser:
        given = check_properties(said.properties)
        added = client.properties(given.get("$lib"), given)
        event.properties = Raw(encode({**given, **added}))
    return Claim(event, notes)
