"""GET /api/analytics/health, /healthz, /readyz and /metrics."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field

from loopin_api.envelope import Success
from loopin_api.errors import unavailable
from loopin_api.health import Component
from loopin_api.openapi import failures, success
from loopin_api.services import Reader, Use
from loopin_api.version import VERSION

router = APIRouter(tags=["operation"])


class Health(BaseModel):
    """State of the system."""

    status: Literal["ok", "degraded"] = Field(description="`ok` when every component is ok.")
    components: dict[str, Component] = Field(description="The components by name.")


class Alive(BaseModel):
    """A state without more to say."""

    status: Literal["ok"] = Field(description="Always `ok`.")


_ALIVE = success("It is", {"status": "ok"})
_HEALTH = {
    "status": "ok",
    "components": {
        "api": {"ok": True, "lag": None, "freshness_s": None, "version": "0.1.0"},
        "store": {"ok": True, "lag": None, "freshness_s": 1.2, "version": "26.9.2.1"},
    },
}


@router.get(
    "/api/analytics/health", summary="Health", responses={**success("Its state", _HEALTH), **failures(500)}
)
async def get_health(use: Use) -> Success[Health]:
    """Public. The status is 200 even when a component is not ok; an answer may be a second old."""
    components = {"api": Component(ok=True, version=VERSION), **await use.health.components()}
    ok = all(component.ok for component in components.values())
    return Success(data=Health(status="ok" if ok else "degraded", components=components))


@router.get("/healthz", summary="Liveness", responses={**_ALIVE, **failures(500)})
async def get_healthz() -> Success[Alive]:
    """Public. Whether the process runs."""
    return Success(data=Alive(status="ok"))


@router.get("/readyz", summary="Readiness", responses={**_ALIVE, **failures(500, 503)})
async def get_readyz(use: Use) -> Success[Alive]:
    """Public. Whether queries can be answered: 503 while the store does not answer."""
    if not (await use.health.components())["store"].ok:
        raise unavailable("NOT_READY", "The store does not answer yet; try again shortly.")
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
        **failures(401, 403, 500),
    },
)
async def get_metrics(caller: Reader, use: Use) -> Response:
    """Needs the scope `read`."""
    return Response(use.instruments.exposition(), media_type=CONTENT_TYPE_LATEST)
