"""POST /api/community-analytics/track and /api/geo-analytics/track: document 004's tracking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from loopin_api.auth import Caller
from loopin_api.body import json_body
from loopin_api.ids import MAX_NUMBER
from loopin_api.ingest.single import publish_one
from loopin_api.openapi import COMMON, LIMITED, WITH_BODY, bare, failures, request_body
from loopin_api.routers.batch import EventReceipt
from loopin_api.services import Ingester, Use
from loopin_producers.event_builder import build_event
from loopin_schemas import Event, InvalidEvent

router = APIRouter(tags=["tracking"])

Id = StrictStr | Annotated[StrictInt, Field(ge=0, le=MAX_NUMBER)]

_EVENTS: Final = {"view": "community_viewed", "join": "community_joined", "leave": "community_left"}
"""What the metrics count; every other activity is a ``community_activity``."""

_FIELDS: Final = {"distinct_id": "user_id", "properties": "metadata"}


class _Tracked(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")

    community_id: Id = Field(description="The community, text or a number below 2^53.")
    user_id: Id | None = Field(None, description="Who it was; the token's `sub` by default.")
    timestamp: str | float | None = Field(
        None, description="When it happened: ISO 8601, or milliseconds since 1970; now by default."
    )
    uuid: str | None = Field(None, description="Identity of the event; sent twice it counts once.")


class CommunityActivity(_Tracked):
    """What a member did in a community. Fields beside these are properties; ``metadata`` wins."""

    activity_type: str = Field(
        min_length=1, max_length=200, description="What it was, such as `view`, `join`, `leave` or `post`."
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict, description="Further properties; `duration` is in seconds."
    )


class Location(BaseModel):
    """Where somebody is."""

    model_config = ConfigDict(strict=True, extra="allow")

    country: str | None = Field(None, description="Country.")
    region: str | None = Field(None, description="Region.")
    city: str | None = Field(None, description="City.")


class GeoAttempt(_Tracked):
    """A place checked against a community's restriction. Fields beside these are properties."""

    location: Location = Field(default_factory=Location, description="Where the user was.")
    access_result: Literal["allowed", "blocked"] = Field(description="The decision.")
    reason: Literal["country", "city", "region"] | None = Field(None, description="Which rule decided.")
    is_traveler: bool = Field(False, description="Whether the user is away from home.")
    bypass: bool | None = Field(None, description="Whether the user got around the restriction.")


_COMMUNITY: Final = {
    "community_id": 123,
    "user_id": 456,
    "activity_type": "view",
    "metadata": {"section": "posts", "duration": 120},
}
_GEO: Final = {
    "community_id": 123,
    "user_id": 456,
    "location": {"country": "United States", "city": "New York", "region": "New York"},
    "access_result": "allowed",
    "is_traveler": False,
}
_ANSWER: Final = {
    "uuid": "01946a2c-5c0e-7c3a-9b7e-0d6f2f6b7a10",
    "result": "ok",
    "reason": None,
    "code": None,
}
_RESPONSES: Final = {
    **bare("Acknowledged by the broker", _ANSWER),
    **failures(*COMMON, *WITH_BODY, *LIMITED),
}


@router.post(
    "/api/community-analytics/track",
    summary="Track a community's activity",
    responses=_RESPONSES,
    openapi_extra=request_body(CommunityActivity, {"view": _COMMUNITY}),
)
async def post_community_activity(
    request: Request,
    response: Response,
    caller: Ingester,
    use: Use,
    body: Annotated[CommunityActivity, Depends(json_body(CommunityActivity))],
) -> EventReceipt:
    """Answers once the broker has acknowledged the event. Needs the scope `ingest`."""
    name = _EVENTS.get(body.activity_type, "community_activity")
    metadata = {**(body.model_extra or {}), **body.metadata}
    if "duration" in metadata:
        metadata["duration_s"] = metadata.pop("duration")
    properties = {**metadata, "community_id": body.community_id, "activity_type": body.activity_type}
    return await _publish(request, response, use, caller, _event(caller, body, name, properties))


@router.post(
    "/api/geo-analytics/track",
    summary="Track a check of somebody's place",
    responses=_RESPONSES,
    openapi_extra=request_body(GeoAttempt, {"allowed": _GEO}),
)
async def post_geo_attempt(
    request: Request,
    response: Response,
    caller: Ingester,
    use: Use,
    body: Annotated[GeoAttempt, Depends(json_body(GeoAttempt))],
) -> EventReceipt:
    """Answers once the broker has acknowledged the event. Needs the scope `ingest`."""
    said = body.model_dump(include={"community_id", "access_result", "reason", "is_traveler", "bypass"})
    properties = {
        name: value
        for fields in (body.model_extra or {}, body.location.model_dump(), said)
        for name, value in fields.items()
        if value is not None
    }
    made = _event(caller, body, "geo_access_checked", properties)
    return await _publish(request, response, use, caller, made)


def _event(caller: Caller, body: _Tracked, name: str, properties: dict[str, Any]) -> Callable[[int], Event]:
    user = caller.user if body.user_id is None else str(body.user_id)

    def made(now_ms: int) -> Event:
        if user is None:
            raise InvalidEvent(
                "missing_field",
                "distinct_id",
                "Name the user: a key stands for a project, not for a person.",
            )
        return build_event(
            caller.project,
            name,
            user,
            properties,
            now_ms=now_ms,
            timestamp=body.timestamp,
            uuid=body.uuid,
            source="api",
        )

    return made


async def _publish(
    request: Request, response: Response, use: Use, caller: Caller, made: Callable[[int], Event]
) -> EventReceipt:
    response.headers.update(await use.intake.admit(request, caller, 1))
    receipt = (await publish_one(use.intake, caller, made, _field)).receipt
    return EventReceipt(uuid=receipt.uuid, result=receipt.result, reason=receipt.reason, code=receipt.code)


def _field(path: str | None) -> str | None:
    """What the request calls the event's field at this dotted path."""
    first, dot, rest = (path or "").partition(".")
    return _FIELDS.get(first, first) + dot + rest or None
