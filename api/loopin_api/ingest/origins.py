"""Which web pages may send events, and listen to the live feed, by project: CORS for that, and for no query.

A preflight names no project, so it is answered for the origins of any. The request itself is refused once its
project is known and does not have the origin; until then no page has read anything. Credentials of the
browser (cookies) are never allowed, and never needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopin_api.errors import ApiError

ANY: Final = "*"

MAX_AGE_S: Final = 7200
"""How long a browser may remember a preflight; more than this, browsers do not."""

EXPOSED: Final = "Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, X-Event-Uuid"

_HEADER_NAMES: Final = re.compile(r"[A-Za-z0-9_, -]{0,1000}")
_PATHS: Final = re.compile(
    r"/(?:batch|capture|e|flags|decide|i/v0/e|i/v1/analytics/events"
    r"|api/(?:surveys|early_access_features|web_experiments|product_tours)"
    r"|array/[^/]+/config(?:\.js)?"
    r"|v1/[a-z]+"
    r"|api/analytics/events(?:/track|/batch)?"
    r"|api/(?:community|geo)-analytics/track"
    r"|api/errors"
    r"|api/analytics/live)/?"
)

_REFUSED: Final = "origin_refused"


class Origins:
    """The allowed origins: project to origins, ``*`` for the other projects and for any origin."""

    def __init__(self, by_project: Mapping[str, Sequence[str]]) -> None:
        self._by_project = {
            project: frozenset(origin.rstrip("/").lower() for origin in origins)
            for project, origins in by_project.items()
        }
        self._all = frozenset().union(*self._by_project.values())

    def of_any_project(self, origin: str) -> bool:
        """Whether some project has it."""
        return ANY in self._all or origin.lower() in self._all

    def check(self, request: HTTPConnection, project: str) -> None:
        """That the page which asks may send events to the project, or listen to it; a server is no page.

        Raises:
            ApiError: 403.
        """
        origin = request.headers.get("origin")
        if origin is None:
            return
        allowed = self._by_project.get(project, self._by_project.get(ANY, frozenset()))
        if ANY not in allowed and origin.lower() not in allowed:
            setattr(request.state, _REFUSED, True)
            raise ApiError(
                403, "ORIGIN_NOT_ALLOWED", "Add this page's origin to the project's in LOOPIN_CORS_ORIGINS."
            )


class Cors:
    """Answers preflights, and lets pages read the answers."""

    def __init__(self, app: ASGIApp, origins: Origins) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _PATHS.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._preflight(origin, headers)(scope, receive, send)
            return
        state = scope.setdefault("state", {})

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._mark(MutableHeaders(scope=message), origin, bool(state.get(_REFUSED)))
            await send(message)

        await self._app(scope, receive, answer)

    def _mark(self, headers: MutableHeaders, origin: str, refused: bool) -> None:
        headers.add_vary_header("Origin")
        if not refused and self._origins.of_any_project(origin):
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = EXPOSED

    def _preflight(self, origin: str, asked: Headers) -> Response:
        answer = Response(status_code=204)
        self._mark(answer.headers, origin, False)
        if "access-control-allow-origin" in answer.headers:
            names = asked.get("access-control-request-headers", "")
            answer.headers["Access-Control-Allow-Methods"] = "GET, POST"
            answer.headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
            if names and _HEADER_NAMES.fullmatch(names):
                answer.headers["Access-Control-Allow-Headers"] = names
        return answer
