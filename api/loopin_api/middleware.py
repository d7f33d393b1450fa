"""What every request passes: an optional trailing slash, HEAD, counting, and the last resort for errors."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterable

import structlog
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopin_api.errors import failure, internal
from loopin_api.instruments import Instruments

log = structlog.get_logger(__name__)

_NOSNIFF = (b"x-content-type-options", b"nosniff")
_NO_STORE = (b"cache-control", b"no-store")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class TrailingSlash:
    """Answers a path with a slash at its end as the path without it, and does not redirect."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if len(path) > 1 and path.endswith("/"):
            scope = {**scope, "path": path[:-1]}
        await self._app(scope, receive, send)


class HeadAsGet:
    """Answers HEAD as GET without the body, and counted as GET."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] != "http.response.body":
                await send(message)
                return
            await send({"type": "http.response.body", "body": b""})
            if message.get("more_body"):
                raise ClientDisconnect  # ends a stream that nobody will read

        await self._app({**scope, "method": "GET"}, receive, send_head)


def _guarded(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an answer that is not to be guessed at, nor kept unless it says so itself."""
    kept = any(name.lower() == b"cache-control" for name, _ in headers)
    return [*headers, _NOSNIFF] if kept else [*headers, _NOSNIFF, _NO_STORE]


class Guard:
    """Counts requests and turns what nothing else caught into a 500 in the envelope."""

    def __init__(self, app: ASGIApp, instruments: Instruments) -> None:
        self._app = app
        self._instruments = instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": _guarded(message["headers"])}
            await send(message)

        begun = time.perf_counter()
        self._instruments.open_requests.inc()
        try:
            await self._app(scope, receive, answer)
        except ClientDisconnect:
            log.info("client left", path=scope["path"])
        except Exception as error:
            # Formatted here: structlog's own tracebacks show local variables, hence tokens and bodies.
            trace = "".join(traceback.format_exception(error))
            log.error("request failed", path=scope["path"], method=scope["method"], traceback=trace)
            if status:
                raise  # too late for an answer: the server breaks the connection, so the client can tell
            await failure(internal())(scope, receive, answer)
        finally:
            self._instruments.open_requests.dec()
            self._count(scope, status, time.perf_counter() - begun)

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # The router notes in the scope which route it chose.
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._instruments.requests.labels(method, route, str(status)).inc()
        self._instruments.seconds.labels(route).observe(seconds)
