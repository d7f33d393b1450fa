"""POST /api/analytics/events: document 002's events, one or several."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response, Security
from msgspec import Raw
from pydantic import BaseModel, ConfigDict, Field

from loopin_api.auth import Caller
from loopin_api.envelope import Detail, Success
from loopin_api.errors import ApiError
from loopin_api.ingest.answers import enveloped
from loopin_api.ingest.claims import ANONYMOUS, Claim, Note, identity
from loopin_api.ingest.client_side import Connection
from loopin_api.ingest.incoming import as_object, as_text, decode_one, elements, is_array, scan
from loopin_api.ingest.receipts import Receipt
from loopin_api.openapi import COMMON, LIMITED, WITH_BODY, failures, success
from loopin_api.routers.batch import Receipts
from loopin_api.services import KEY, TOKEN, Use
from loopin_schemas import Event, InvalidEvent, encode
from loopin_schemas.catalogue import translate

router = APIRouter(tags=["tracking"])


class AnalyticsEvent(BaseModel):
    """One event. Fields beside these are kept as properties; ``event_data`` wins where both name one."""

    model_config = ConfigDict(extra="allow")

    event_type: str = Field(description="What happened, such as `page_view`, `click`, `search` or `share`.")
    user_id: str | int | None = Field(
        None, description="Who did it; the token's `sub` by default, else `anonymous_id`."
    )
    anonymous_id: str | None = Field(None, description="Who did it, before anybody was identified.")
    session_id: str | None = Field(None, description="Session it belongs to, 1 to 200 characters.")
    timestamp: str | float | None = Field(
        None, description="When it happened: ISO 8601, or milliseconds since 1970; its arrival by default."
    )
    uuid: str | None = Field(None, description="Identity of the event; sent twice it counts once.")
    url: str | None = Field(None, description="Address of the page.")
    referrer: str | None = Field(None, description="Address that the user came from.")
    user_agent: str | None = Field(None, description="The browser's User-Agent; a page's own by default.")
    content_type: str | None = Field(None, description="Kind of object that the event is about.")
    object_id: str | int | None = Field(None, description="Object that the event is about.")
    campaign_source: str | None = Field(None, description="Where a campaign's visitor came from.")
    campaign_medium: str | None = Field(None, description="By which medium a campaign's visitor came.")
    event_data: dict[str, Any] = Field(default_factory=dict, description="Further properties.")


_whole: Final = msgspec.json.Decoder(Raw)
_decoder: Final = msgspec.json.Decoder(dict[str, Any])

_FIELDS: Final = ("event_type", "user_id", "user", "session_id", "timestamp", "uuid", "event_data")
"""These are the event's own; all others are properties."""

_RENAMED: Final = {"ip_address": "$ip"}

_EXAMPLE: Final = {
    "event_type": "page_view",
    "user_id": "user-17",
    "session_id": "abc-def-ghi",
    "url": "https://example.com/events/789?utm_source=newsletter",
    "referrer": "https://example.com/",
    "content_type": "event",
    "object_id": 789,
    "campaign_source": "newsletter",
    "campaign_medium": "email",
    "event_data": {"scroll_depth": 0.8},
}
_ANSWER: Final = {
    "receipts": [
        {"uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10", "result": "ok", "reason": None, "code": None}
    ]
}
_REQUEST_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [
                        {"$ref": "#/components/schemas/AnalyticsEvent"},
                        {
                            "type": "array",
                            "maxItems": 1000,
                            "items": {"$ref": "#/components/schemas/AnalyticsEvent"},
                        },
                    ]
                },
                "examples": {"one": {"value": _EXAMPLE}, "several": {"value": [_EXAMPLE, _EXAMPLE]}},
            }
        },
    }
}


@router.post(
    "/api/analytics/events",
    summary="Track one event or several",
    response_model=Success[Receipts],
    responses={**success("A receipt for each event", _ANSWER), **failures(*COMMON, *WITH_BODY, *LIMITED)},
    openapi_extra=_REQUEST_BODY,
)
async def post_events(
    request: Request, use: Use, _by_token: object = Security(TOKEN), _by_key: object = Security(KEY)
) -> Response:
    """Answers once the broker has acknowledged the events, each with a receipt.

    The names of the documents are understood: `page_view` becomes `$pageview`. A single event that breaks a
    rule is refused with 422; in an array it costs the others nothing. Needs the scope `ingest`.
    """
    intake = use.intake
    caller = await intake.by_header(request) or await intake.by_key(request, None)
    async with intake.received(request) as body:
        text = await intake.sound(request, body)
        alone = not is_array(text)
        events = [scan(_whole, text)] if alone else elements(text)
        headers = await intake.admit(request, caller, len(events))
        claimed = partial(_claim, caller, intake.connection(request))
        receipts = await intake.publish(caller, events, claimed)
    if alone and receipts[0].result == "drop":
        raise _refusal(receipts[0])
    return enveloped(receipts, headers)


def _claim(caller: Caller, client: Connection, raw: Raw) -> Claim:
    """An event of the body.

    Raises:
        InvalidEvent: it has not the form of one.
    """
    said = decode_one(_decoder, raw)
    name = said.get("event_type")
    if not isinstance(name, str):
        raise InvalidEvent("missing_field", "event_type", "Name the event_type, as text.")
    flat = {_RENAMED.get(key, key): value for key, value in said.items() if key not in _FIELDS}
    given = {**flat, **as_object(said.get("event_data"), "event_data")}
    given = {key: value for key, value in given.items() if value is not None}
    user = _user(said, caller)
    if user is None:
        given.setdefault(*ANONYMOUS)
    name, properties = translate(name, given, "documents")
    notes: list[Note] = []
    added = client.properties(None, {**properties, "$raw_user_agent": properties.get("user_agent")})
    event = Event(
        project=caller.project,
        event=name,
        distinct_id=_anonymous(said) if user is None else user,
        uuid=identity(caller.project, as_text(said.get("uuid")), notes),
        timestamp=said.get("timestamp"),
        session_id=as_text(said.get("session_id")),
        properties=Raw(encode({**properties, **added})),
        source="api",
    )
    return Claim(event, notes)


def _user(said: dict[str, Any], caller: Caller) -> str | None:
    names = (said.get("user_id"), said.get("user"), caller.user)
    return next((found for given in names if (found := as_text(given)) is not None), None)


def _anonymous(said: dict[str, Any]) -> str:
    if (found := as_text(said.get("anonymous_id"))) is None:
        raise InvalidEvent("missing_field", "user_id", "Name the user_id or the anonymous_id.")
    return found


def _refusal(receipt: Receipt) -> ApiError:
    reason = str(receipt.reason)
    return ApiError(422, str(receipt.code).upper(), reason, details=[Detail(field=None, reason=reason)])
