"""GET /: where things are."""

from __future__ import annotations

from html import escape
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field

from loopin_api.envelope import Success
from loopin_api.openapi import failures, success
from loopin_api.version import VERSION

router = APIRouter(tags=["operation"])

LINKS: Final = {
    "docs": "/docs",
    "openapi": "/openapi.json",
    "health": "/api/analytics/health",
    "overview": "/api/analytics/overview?days=7",
    "export": "/api/analytics/export/events?days=1",
    "metrics": "/metrics",
    "browser": "/static/loopin.js",
}


class Index(BaseModel):
    """Where things are."""

    name: str = Field(description="Name of the product.")
    version: str = Field(description="Its version.")
    links: dict[str, str] = Field(description="Paths of this server by subject.")


_INDEX = Index(name="loopin-analytics", version=VERSION, links=LINKS)


@router.get(
    "/",
    summary="Index",
    response_model=Success[Index],
    responses={**success("The index; a page for a browser", _INDEX.model_dump()), **failures(500)},
)
async def get_index(request: Request) -> Response:
    """Public. JSON, or a page where the Accept header asks for one."""
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(_page(_INDEX))
    return JSONResponse(Success(data=_INDEX).model_dump(mode="json"))


def _page(index: Index) -> str:
    rows = "".join(
        f'<li><a href="{escape(path)}">{escape(name)}</a></li>' for name, path in index.links.items()
    )
    title = f"{escape(index.name)} {escape(index.version)}"
    head = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    return f"{head}<h1>{title}</h1><ul>{rows}</ul></html>"
