"""Captures each HTTP request to an ASGI application, such as FastAPI's or Starlette's, as ``api_request``.

app.add_middleware(LoopinMiddleware)

Not for Django, which has its own in ``loopin_producers.django.middleware``.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import cached_property
from secrets import token_bytes
from time import perf_counter, time
from typing import Any, NamedTuple
from urllib.parse import unquote

from loopin_producers.client import Loopin
from loopin_producers.client_address import IpPrivacy
from loopin_producers.context import (
    context_distinct_id,
    context_names_user,
    current_scope,
    identify_context_by,
    new_context,
    set_context_session,
)
from loopin_producers.default import default_client
from loopin_producers.guard import Guard
from loopin_producers.http_request import (
    CLIENT_CLOSED_REQUEST,
    Excluded,
    HttpRequest,
    address_of,
    answered,
    current_url,
    path_filter,
    request_properties,
)
from loopin_producers.request_tags import RequestTags
from loopin_producers.visitor import ANONYMOUS_COOKIE, daily_id, visitor
from loopin_producers.who import Asked, Who

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_guard = Guard("A request was not captured.")


class LoopinMiddleware:
    """Pure ASGI middleware; other protocols than HTTP, and excluded paths, pass through it.

    A request takes until its response starts; bodies are not touched, so streams stay streams. What fails
    here is logged once for each kind and changes no response. What the application captures while it answers
    is the sender's; where it finds out itself who that is, it says so with ``identify_context``.

    Args:
        app: what answers.
        client: publishes the events; the default client if None.
        user_id: the signed-in user of a scope, or None; what Starlette's ``AuthenticationMiddleware`` found
            by default.
        excluded_paths: paths that are not captured, with all below them, and compiled patterns.
        ip: what is sent of a client's address: nothing, its network (/24, /48), or all.
        trusted_proxies: own proxies in front, whose X-Forwarded-For is believed; 0 where the server itself
            puts the client's address into the scope.
        track_anonymous: whether requests without a known user are captured.
        anonymous_cookie: cookie that holds the browser's anonymous id.
        secret: makes the ids of visitors without any such id, each for a day; without it they differ between
            processes.
    """

    def __init__(
        self,
        app: App,
        *,
        client: Loopin | None = None,
        user_id: Callable[[Scope], str | None] | None = None,
        excluded_paths: Excluded = (),
        ip: IpPrivacy = "truncate",
        trusted_proxies: int = 0,
        track_anonymous: bool = True,
        anonymous_cookie: str = ANONYMOUS_COOKIE,
        secret: str | None = None,
    ) -> None:
        self._app = app
        self._client = client
        self._excluded = path_filter(excluded_paths)
        self._config = _Config(
            user_id=user_id or signed_in,
            ip=ip,
            trusted_proxies=trusted_proxies,
            track_anonymous=track_anonymous,
            anonymous_cookie=anonymous_cookie,
            secret=secret.encode() if secret else token_bytes(),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._excluded(scope["path"]):
            await self._app(scope, receive, send)
            return
        with new_context():
            answer = _Answer(perf_counter(), self._open(scope), self._client)

            async def send_and_capture(message: Message) -> None:
                ended = perf_counter()
                await send(message)
                if message["type"] == "http.response.start":
                    answer.capture(message.get("status"), ended)

            try:
                await self._app(scope, receive, send_and_capture)
            except CancelledError:
                answer.capture(CLIENT_CLOSED_REQUEST, perf_counter())
                raise
            except BaseException as error:
                answer.capture(500, perf_counter(), error)
                raise

    def _open(self, scope: Scope) -> _Seen | None:
        with _guard:
            seen = _Seen(scope, self._config)
            seen.lend()
            return seen
        return None


def signed_in(scope: Scope) -> str | None:
    """The identity that Starlette's ``AuthenticationMiddleware`` found; None if nobody is signed in."""
    user = scope.get("user")
    if user is None or not user.is_authenticated:
        return None
    return str(user.identity)


class _Config(NamedTuple):
    user_id: Callable[[Scope], str | None]
    ip: IpPrivacy
    trusted_proxies: int
    track_anonymous: bool
    anonymous_cookie: str
    secret: bytes


class _Answer:
    """The answer to one request, captured once."""

    def __init__(self, began: float, seen: _Seen | None, client: Loopin | None) -> None:
        self._began = began
        self._seen = seen
        self._client = client

    def capture(self, status: Any, ended: float, error: BaseException | None = None) -> None:
        """Publish the event, unless that was done already; raises nothing."""
        seen, self._seen = self._seen, None
        with _guard:
            client = default_client() if self._client is None else self._client
            if seen is None or client.disabled:
                return
            with seen.who:
                sender = context_distinct_id()
                if sender is None:
                    return
                found = seen.answered(status, ended - self._began)
                if not seen.is_known():
                    found["$is_identified"] = False
                if error is not None:
                    found["exception"] = type(error).__name__
                client.capture(
                    "api_request", sender, found, session_id=seen.said.session_id, source="middleware"
                )


class _Seen:
    """A request that is being answered."""

    def __init__(self, scope: Scope, config: _Config) -> None:
        self._scope = scope
        self._config = config
        self._prefix = str(scope.get("root_path", ""))
        headers = _headers(scope)
        self._sent = HttpRequest(
            scheme=scope.get("scheme", "http"),
            host=headers.get("host", ""),
            # Mounts above may have read parameters.
            prefix=_pattern(self._prefix, scope.get("path_params") or {}),
            query=scope.get("query_string", b"").decode("latin-1"),
            peer=(scope.get("client") or (None,))[0],
            header=headers.get,
        )
        self.said = visitor(headers.get, _cookie(headers.get("cookie", ""), config.anonymous_cookie))
        self._properties = request_properties(self._sent, config.ip, config.trusted_proxies)
        self.who = Asked(self._find)

    def lend(self) -> None:
        """Let captures within this context be the sender's."""
        identify_context_by(self._ask)
        if self.said.session_id:
            set_context_session(self.said.session_id)
        if (scope := current_scope()) is not None:
            scope.tags = RequestTags(self._properties, self._device)

    def is_known(self) -> bool:
        """Whether the server knows the user, whatever id the client sends."""
        return context_names_user() or bool(self.who().user)

    def answered(self, status: int, duration_s: float) -> dict[str, Any]:
        """The event's properties."""
        route = route_of(self._scope, self._prefix)
        return {
            **self._properties,
            **answered(route, self._scope["method"], status, duration_s),
            "$current_url": current_url(self._sent, route, self._properties),
        }

    def _ask(self) -> str | None:
        with _guard:
            return self.who().distinct_id
        return None

    def _device(self) -> str | None:
        with _guard:
            return self.who().anonymous
        return None

    def _find(self) -> Who:
        user = self._config.user_id(self._scope) or None
        return Who(user, None if user else self._anonymous_id)

    @cached_property
    def _anonymous_id(self) -> str | None:
        config = self._config
        if not config.track_anonymous:
            return None
        address = address_of(self._sent, config.trusted_proxies)
        agent = self._sent.header("user-agent")
        return self.said.claimed or self.said.cookie or daily_id(config.secret, time(), address, agent)


def route_of(scope: Scope, prefix: str) -> str | None:
    """The pattern of the route that a framework has noted in the scope; None where it has found none.

    Args:
        prefix: the ``root_path`` that the request came with; what a mounted application has added to it is
            part of the route.
    """
    route = scope.get("route")
    if route is None:
        return None
    mounted = str(scope.get("root_path", "")).removeprefix(prefix)
    return _pattern(mounted, scope.get("path_params") or {}) + _own_path(scope, route) or "/"


def _pattern(path: str, parameters: Mapping[str, Any]) -> str:
    """The path of a mount, with ``{name}`` for what was read from it."""
    if not (path and parameters):
        return path
    for name, value in parameters.items():
        if isinstance(value, str) and "/" in value:
            path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return "/".join([_parameter(part, parameters) or part for part in path.split("/")])


def _parameter(part: str, parameters: Mapping[str, Any]) -> str | None:
    """``{name}`` of the parameter that was read from a part of the path; of two the first, a mount's."""
    for name, value in parameters.items():
        try:
            if part and (part == str(value) or type(value)(part) == value):
                return f"{{{name}}}"
        except (TypeError, ValueError):
            continue
    return None


def _own_path(scope: Scope, route: Any) -> str:
    if getattr(route, "routes", None) is not None:
        return ""  # a mount, whose path is the prefix; what is mounted has found no route of its own
    # FastAPI notes the route as its router declares it, and the path with all routers' prefixes beside it.
    included = (scope.get("fastapi") or {}).get("effective_route_context")
    whole: Any = included if getattr(included, "original_route", None) is route else route
    return str(getattr(whole, "path_format", None) or whole.path)


def _headers(scope: Scope) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw, value in scope["headers"]:
        name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
        found[name] = f"{found[name]}{'; ' if name == 'cookie' else ', '}{text}" if name in found else text
    return found


def _cookie(header: str, name: str) -> str | None:
    for pair in header.split(";"):
        key, _, value = pair.strip().partition("=")
        if key == name:
            return unquote(value.strip('"'))
    return None
