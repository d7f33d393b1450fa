"""POST /api/analytics/events/track."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from loopin_api.auth import Caller
from loopin_api.body import json_body
from loopin_api.envelope import Detail, Success
from loopin_api.errors import invalid
from loopin_api.ids import MAX_NUMBER
from loopin_api.ingest.single import publish_one
from loopin_api.openapi import COMMON, LIMITED, WITH_BODY, failures, request_body, success
from loopin_api.services import Ingester, Use
from loopin_producers.event_builder import build_event
from loopin_schemas import Event
from loopin_schemas.catalogue import translate

router = APIRouter(tags=["tracking"])

_FIELDS: Final = {"event": "event_name", "distinct_id": "user_id", "properties": "metadata"}
"""What the request calls the event's fields, where the names differ."""


class TrackRequest(BaseModel):
    """One event. Fields beside these are kept as properties; ``metadata`` wins where both name one."""

    model_config = ConfigDict(strict=True, extra="allow")

    event_name: str = Field(description="What happened, 1 to 200 characters, e.g. `custom_button_click`.")
    event_type: str | None = Field(
        None,
        max_length=200,
        description="Kind of event, e.g. `user_action`; kept as the property `event_type`.",
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict,
        description="The event's properties: at most 32 KB of JSON, nested at most 20 deep, together with "
        "the fields beside those listed here, which are properties too.",
    )
    user_id: StrictStr | Annotated[StrictInt, Field(ge=0, le=MAX_NUMBER)] | None = Field(
        None, description="Who did it, text or a number below 2^53; the token's `sub` by default."
    )
    session_id: str | None = Field(None, description="Session it belongs to, 1 to 200 characters.")
    timestamp: str | float | None = Field(
        None, description="When it happened: ISO 8601, or milliseconds since 1970; now by default."
    )
    uuid: str | None = Field(
        None, description="Identity of the event; sent twice it counts once. Made by the server by default."
    )


class Receipt(BaseModel):
    """The broker has the event."""

    uuid: str = Field(description="The event's identity.")
    result: Literal["accepted"] = Field(
        description="`accepted`: acknowledged by the broker, on all replicas."
    )


_EXAMPLES: Final[dict[str, Any]] = {
    "button": {
        "event_name": "custom_button_click",
        "event_type": "user_action",
        "metadata": {"button_id": "signup_cta", "page": "landing", "campaign": "summer_2024"},
    },
    "purchase": {
        "event_name": "ticket_purchased",
        "event_type": "conversion",
        "metadata": {
            "event_id": "event_789",
            "amount": 500.0,
            "currency": "INR",
            "payment_method": "razorpay",
        },
        "user_id": 12345,
        "session_id": "abc-def-ghi",
        "timestamp": "2026-01-15T10:30:00Z",
        "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
    },
    "flat": {
        "event_type": "conversion",
        "event_name": "ticket_purchased",
        "user_id": "12345",
        "event_id": "event_789",
        "amount": 500.0,
        "currency": "INR",
        "payment_method": "razorpay",
    },
}


@router.post(
    "/api/analytics/events/track",
    summary="Track an event",
    responses={
        **success("Accepted", {"uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10", "result": "accepted"}),
        **failures(*COMMON, *WITH_BODY, *LIMITED),
    },
    openapi_extra=request_body(TrackRequest, _EXAMPLES),
)
async def post_event(
    request: Request,
    response: Response,
    caller: Ingester,
    use: Use,
    body: Annotated[TrackRequest, Depends(json_body(TrackRequest))],
) -> Success[Receipt]:
    """Answers once the broker has acknowledged the event.

    The names of the documents are understood: `page_view` becomes `$pageview`. Fields that the schema does
    not list are kept as properties; where `metadata` has one of the same name, that one counts. Without an
    acknowledgement in time the answer is 503, with the uuid in the header `X-Event-Uuid`: send the event
    again with that uuid, and it counts once whether or not the first one arrived. Needs the scope `ingest`.
    """
    response.headers.update(await use.intake.admit(request, caller, 1))
    published = await publish_one(
        use.intake, caller, lambda moment: to_event(body, caller, moment), lambda path: _field(path, body)
    )
    return Success(data=Receipt(uuid=published.receipt.uuid or "", result="accepted"))


def to_event(body: TrackRequest, caller: Caller, now_ms: int) -> Event:
    """The event that a request asks to track, at ``now_ms`` unless it says when.

    Raises:
        ApiError: 422 when nobody is named.
        InvalidEvent: a field breaks its limit.
    """
    user = caller.user if body.user_id is None else str(body.user_id)
    if user is None:
        reason = "Name the user: a key stands for a project, not for a person."
        raise invalid([Detail(field="user_id", reason=reason)])
    name, properties = translate(body.event_name, _properties(body), "documents")
    if body.event_type is not None:
        properties["event_type"] = body.event_type
    return build_event(
        caller.project,
        name,
        user,
        properties,
        now_ms=now_ms,
        timestamp=body.timestamp,
        uuid=body.uuid,
        session_id=body.session_id,
        source="api",
    )


def _properties(body: TrackRequest) -> dict[str, Any]:
    return {**(body.model_extra or {}), **body.metadata}


def _field(path: str | None, body: TrackRequest) -> str | None:
    """What the request calls the event's field at this dotted path."""
    if path is None:
        return None
    first, dot, rest = path.partition(".")
    name = rest.partition(".")[0]
    if first == "properties" and name in (body.model_extra or {}) and name not in body.metadata:
        return rest
    return _FIELDS.get(first, first) + dot + rest
