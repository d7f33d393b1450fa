"""GET /api/analytics/live, and the same as a WebSocket."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Header, Query, Request, WebSocket
from fastapi.responses import StreamingResponse

from loopin_api.live.clients import still
from loopin_api.live.event_stream import EventStream
from loopin_api.live.socket import serve_socket
from loopin_api.live.wanted import CHOICES, wanted_of
from loopin_api.openapi import COMMON, Responses, failures
from loopin_api.services import Reader, Use

router = APIRouter(tags=["analytics"])

_EXAMPLE: Final = (
    "retry: 2000\n"
    "id: 5f0c91aa:120.98:7:2\n\n"
    "event: metric\n"
    "id: 5f0c91aa:121.98:7:2\n"
    'data: {"metric":"events","dimension":"","dimension_value":"","grain":"minute",'
    '"start":"2026-01-15T10:30:00.000Z","count":52,"sum":null,"min":null,"max":null,"closed":false,'
    '"basis":"distinct_ids","revision":1768473003127}\n\n'
)
_STREAM: Responses = {
    200: {
        "description": "A stream of events. `metric`: the newest state of a window; `start` is ISO 8601 in "
        "UTC, `count` is events or users, `sum`, `min` and `max` are of the measured values in their unit, "
        "`closed` says that only late events can change it. `alert`: a record of the topic `alerts`. "
        "`insight`: a record of the topic `insights`; `withdrawn` says that it holds no longer. "
        "`online`: persons active in a community within 5 minutes, in any (`online_members`) and by "
        "community, those with the most first. `reset`: something was missed, `data` says why; read the "
        "numbers anew. Comments are heartbeats.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _EXAMPLE}},
    },
    **failures(*COMMON),
}


def _one_of(name: str, what: str) -> str:
    return f"{what}, with commas between: {', '.join(CHOICES[name])}."


Types = Annotated[
    str | None, Query(max_length=1000, description=_one_of("types", "Only these kinds; all by default"))
]
Metrics = Annotated[
    str | None, Query(max_length=1000, description=_one_of("metrics", "Only these metrics; all by default"))
]
Grain = Annotated[
    str | None,
    Query(max_length=1000, description=_one_of("grain", "Only windows of these lengths; all by default")),
]
Dimension = Annotated[
    str | None,
    Query(
        max_length=1000,
        description=_one_of("dimension", "Metrics by these, too, beside the whole of each; none by default"),
    ),
]
Resume = Annotated[
    str | None,
    Query(
        max_length=20_000,
        description="Where to go on, as the header `Last-Event-ID`, for clients that cannot send that.",
    ),
]
LastEventId = Annotated[
    str | None,
    Header(alias="Last-Event-ID", description="Id of the last event that was received, to go on after it."),
]


@router.get(
    "/api/analytics/live",
    summary="The live feed",
    response_class=StreamingResponse,
    responses=_STREAM,
)
async def get_live(
    caller: Reader,
    use: Use,
    request: Request,
    types: Types = None,
    metrics: Metrics = None,
    grain: Grain = None,
    dimension: Dimension = None,
    last_event_id: Resume = None,
    last_event_id_header: LastEventId = None,
) -> EventStream:
    """Metrics, alerts, insights and who is online as they change, as Server-Sent Events, until you hang up.

    A window is told at most once a second, an alert or insight at once. Ids are good in every process of the
    API, for 5 minutes; `/api/analytics/live/ws` gives the same over a WebSocket. Needs the scope `read`.
    """
    use.intake.origins.check(request, caller.project)
    wanted = wanted_of({"types": types, "metrics": metrics, "grain": grain, "dimension": dimension})
    use.live.check(caller.project)
    header = request.headers.get("authorization")
    last_id = last_event_id_header or last_event_id
    return EventStream(
        use.live,
        use.live.listening(caller.project, wanted, last_id or None, "sse"),
        still(lambda: use.authenticator.authenticate(header).may("read")),
    )


@router.websocket("/api/analytics/live/ws")
async def live_socket(socket: WebSocket) -> None:
    """The live feed over a WebSocket."""
    await serve_socket(socket, socket.app.state.services)
