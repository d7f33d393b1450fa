"""GET /api/analytics/health, /healthz, /readyz and /metrics."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from loopin_api.envelope import Detail, Success
from loopin_api.errors import invalid, unavailable
from loopin_api.health import Component, Seconds
from loopin_api.openapi import failures, success
from loopin_api.services import Reader, Use
from loopin_api.version import VERSION
from loopin_streams.readiness import first_reason, unknown_check

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """State of the system."""

    status: Literal["ok", "degraded"] = Field(description="`ok` when every component is ok.")
    freshness_s: Seconds | None = Field(
        description="All events received up to this many seconds ago are queryable, or were dead-lettered or "
        "dropped: the age of the oldest that is not, 0 when none waits; null while unknown."
    )
    components: dict[str, Component] = Field(description="The components by name.")


class Alive(BaseModel):
    """A state without more to say."""

    status: Literal["ok"] = Field(description="Always `ok`.")


_ALIVE = success("It is", {"status": "ok"})
_HEALTH = {
    "status": "degraded",
    "freshness_s": 361.8,
    "components": {
        "api": {
            **dict.fromkeys(("lag", "lag_s", "freshness_s", "reason")),
            **{"ok": True, "version": "0.1.0"},
        },
        "stream": {
            **dict.fromkeys(("freshness_s", "version")),
            **{"ok": False, "lag": 51230, "lag_s": 361.2},
            "reason": "enrich is 361 s behind (limit 300 s): 51,230 records wait in loopin.events.raw.",
        },
    },
}


@router.get(
    "/api/analytics/health", summary="Health", responses={**success("Its state", _HEALTH), **failures(500)}
)
async def get_health(use: Use) -> Success[Health]:
    """Public. The status is 200 even when a component is not ok; an answer may be a second old."""
    components = {"api": Component(ok=True, version=VERSION), **await use.health.components()}
    ok = all(component.ok for component in components.values())
    return Success(
        data=Health(
            status="ok" if ok else "degraded", freshness_s=use.health.freshness(), components=components
        )
    )


@router.get("/healthz", summary="Liveness", responses={**_ALIVE, **failures(500)})
async def get_healthz() -> Success[Alive]:
    """Public. Whether the process runs."""
    return Success(data=Alive(status="ok"))


Exclude = Annotated[
    tuple[str, ...], Query(description="Checks to leave out, by name; may be repeated.", examples=["lag"])
]


@router.get("/readyz", summary="Readiness", responses={**_ALIVE, **failures(422, 500, 503)})
async def get_readyz(use: Use, exclude: Exclude = ()) -> Success[Alive]:
    """Public. Whether queries can be answered: 503 while the store does not answer.

    A process that stores events as well is ready only while it keeps up: `exclude=lag` leaves that out.
    """
    checks = use.health.checks
    unknown = unknown_check(checks, exclude)
    if unknown is not None:
        raise invalid([Detail(field="exclude", reason=unknown)])
    if not (await use.health.components())["store"].ok:
        raise unavailable("NOT_READY", "The store does not answer yet; try again shortly.")
    reason = first_reason(checks, exclude)
    if reason is not None:
        raise unavailable("NOT_READY", reason)
    return Success(data=Alive(status="ok"))


@router.get(
    "/metrics",
    summary="Prometheus metrics of this process",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus's text format",
            "content": {
                "text/plain": {"schema": {"type": "string"}, "example": "loopin_api_open_requests 1.0\n"}
            },
        },
        **failures(401, 403, 500, 503),
    },
)
async def get_metrics(caller: Reader, use: Use) -> Response:
    """Needs the scope `read`."""
    return Response(use.instruments.exposition(), media_type=CONTENT_TYPE_LATEST)
