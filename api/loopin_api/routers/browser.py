"""GET /static/loopin.js: the browser's SDK."""

from __future__ import annotations

import base64
import gzip
import hashlib
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from loopin_api.openapi import failures

router = APIRouter(tags=["track"])

SCRIPT: Final = (files("loopin_api") / "static" / "loopin.js").read_bytes()
_GZIPPED: Final = gzip.compress(SCRIPT, 9, mtime=0)
_DIGEST: Final = hashlib.sha256(SCRIPT).hexdigest()[:16]

INTEGRITY: Final = f"sha384-{base64.b64encode(hashlib.sha384(SCRIPT).digest()).decode()}"
"""The script's hash as the attribute ``integrity`` takes it (W3C Subresource Integrity)."""

PATH: Final = "/static/loopin.js"
PINNED_PATH: Final = f"/static/loopin-{_DIGEST}.js"
"""Where this very script is; another release has another path."""

_MEDIA_TYPE: Final = "text/javascript"
_HOUR_S: Final = 3600
_YEAR_S: Final = 365 * 24 * _HOUR_S

_COMMON: Final = {
    # Any page may load it, also with `crossorigin` and `integrity`, and from a cross-origin isolated page.
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Vary": "Accept-Encoding",
}


@router.get(
    PATH,
    summary="The browser's SDK",
    response_class=Response,
    responses={
        200: {
            "description": "The script; 304 without a body where `If-None-Match` names it",
            "content": {_MEDIA_TYPE: {"schema": {"type": "string"}, "example": "(()=>{...})();"}},
        },
        **failures(500),
    },
)
async def get_script(request: Request) -> Response:
    """Public. May be kept for an hour; gzipped for those who accept that."""
    return _script(request, f"public, max-age={_HOUR_S}, stale-while-revalidate={24 * _HOUR_S}")


@router.get(PINNED_PATH, include_in_schema=False)
async def get_pinned_script(request: Request) -> Response:
    """Public. May be kept for ever."""
    return _script(request, f"public, max-age={_YEAR_S}, immutable")


def _script(request: Request, cache_control: str) -> Response:
    gzipped = _accepts_gzip(request.headers.get("accept-encoding", ""))
    etag = f'"{_DIGEST}{"-gzip" if gzipped else ""}"'
    headers = {**_COMMON, "Cache-Control": cache_control, "ETag": etag}
    if _names(request.headers.get("if-none-match", ""), etag):
        return Response(status_code=304, headers=headers)
    if gzipped:
        headers["Content-Encoding"] = "gzip"
    return Response(_GZIPPED if gzipped else SCRIPT, media_type=_MEDIA_TYPE, headers=headers)


def _accepts_gzip(accept: str) -> bool:
    """Whether the header names gzip, or anything, with a quality above 0 (RFC 9110, section 12.5.3)."""
    qualities = {}
    for part in accept.split(","):
        coding, _, parameters = part.partition(";")
        quality = parameters.strip().lower().removeprefix("q=").strip()
        qualities[coding.strip().lower()] = not quality or quality.strip("0.") != ""
    return qualities.get("gzip", qualities.get("*", False))


def _names(if_none_match: str, etag: str) -> bool:
    """Whether the header names this entity, weakly compared (RFC 9110, section 13.1.2)."""
    tags = [tag.strip().removeprefix("W/") for tag in if_none_match.split(",")]
    return "*" in tags or etag in tags
