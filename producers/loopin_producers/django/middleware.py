"""Captures each request as ``api_request``, and lends its user and session to what the views capture."""

from __future__ import annotations

import sys
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.signals import got_request_exception
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from loopin_producers.context import (
    context_distinct_id,
    context_names_user,
    current_scope,
    identify_context_by,
    new_context,
    set_context_session,
)
from loopin_producers.django import joined, visiting
from loopin_producers.django.client import get_client
from loopin_producers.django.conf import Config, config
from loopin_producers.django.identity import Sender, header
from loopin_producers.django.joined import is_noted, objects
from loopin_producers.django.streaming import stream_in_context
from loopin_producers.guard import Guard
from loopin_producers.http_request import (
    CLIENT_CLOSED_REQUEST,
    answered,
    current_url,
    path_filter,
    request_properties,
)
from loopin_producers.http_request import HttpRequest as Sent
from loopin_producers.request_tags import RequestTags
from loopin_producers.who import Asked, Who

_EXCEPTION = "_loopin_exception"
_UNKNOWN = Who(None, None)
# Used by `try`, because `with` costs each request more: a fault costs the event, never the response.
_guard = Guard("A request was not captured.")


class LoopinMiddleware:
    """Middleware for synchronous and asynchronous Django; put it first, so that it times all others.

    A request takes until its response object is there; streamed content comes later, and what it captures is
    the sender's all the same. What fails here is logged once for each kind and changes no response.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._config = config()
        self._excluded = path_filter(self._config.excluded_paths)
        self._awaits = iscoroutinefunction(get_response)
        if self._awaits:
            markcoroutinefunction(self)
        got_request_exception.connect(_note_exception, dispatch_uid="loopin_producers.django.middleware")

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._awaits:
            return self._answer(request)
        if self._excluded(request.path):
            return self._get_response(request)  # type: ignore[no-any-return]
        began = perf_counter()
        with new_context():
            seen = self._open(request)
            response: HttpResponseBase = self._get_response(request)
            self._capture(seen, response.status_code, began)
            self._finish(seen, request, response)
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if self._excluded(request.path):
            return await self._get_response(request)  # type: ignore[no-any-return]
        began = perf_counter()
        with new_context():
            seen = self._open(request)
            try:
                response: HttpResponseBase = await self._get_response(request)
            except CancelledError:
                self._capture(seen, CLIENT_CLOSED_REQUEST, began)
                raise
            self._capture(seen, response.status_code, began)
            self._finish(seen, request, response)
        return response

    def _open(self, request: HttpRequest) -> _Seen | None:
        try:
            seen = _Seen(request, self._config)
            seen.lend()
        except Exception as error:
            _guard.note(error)
            return None
        return seen

    def _capture(self, seen: _Seen | None, status: int, began: float) -> None:
        ended = perf_counter()
        try:
            if seen is not None:
                seen.capture(status, ended - began)
        except Exception as error:
            _guard.note(error)

    def _finish(self, seen: _Seen | None, request: HttpRequest, response: HttpResponseBase) -> None:
        try:
            if response.streaming:
                stream_in_context(response)
            if objects(request):
                visiting.forget(request, response, self._config)
                return
            if seen is None or response.status_code >= 500 or get_client().disabled:
                return
            if is_noted(request):
                joined.tell(request, response, self._config)
            if self._config.track_anonymous and (key := seen.visitors_session()):
                visiting.tell(request, response, self._config, key)
        except Exception as error:
            _guard.note(error)


class _Seen:
    """A request that is being answered."""

    def __init__(self, request: HttpRequest, config: Config) -> None:
        self._request = request
        self._sender = Sender(request, config)
        meta = request.META
        self._sent = Sent(
            scheme=request.scheme or "http",
            host=meta.get("HTTP_HOST") or meta.get("SERVER_NAME", ""),
            prefix=meta.get("SCRIPT_NAME", ""),
            query=meta.get("QUERY_STRING", ""),
            peer=meta.get("REMOTE_ADDR"),
            header=partial(header, meta),
        )
        self._properties = request_properties(self._sent, config.ip, config.trusted_proxies)
        self._who = Asked(self._sender.who)

    def lend(self) -> None:
        """Let captures within this context be the sender's."""
        identify_context_by(lambda: self._safely().distinct_id)
        if session_id := self._sender.said.session_id:
            set_context_session(session_id)
        if (scope := current_scope()) is not None:
            scope.tags = RequestTags(self._properties, lambda: self._safely().anonymous)

    def capture(self, status: int, duration_s: float) -> None:
        """Publish the event; a client that is disabled, and a sender who is not wanted, cost nothing more."""
        client = get_client()
        if client.disabled:
            return
        with self._who:
            if (sender := context_distinct_id()) is not None:
                client.capture(
                    "api_request",
                    sender,
                    self._answered(status, duration_s, known=self._is_known()),
                    session_id=self._sender.said.session_id,
                    source="middleware",
                )

    def visitors_session(self) -> str | None:
        """The key of a session that nobody is signed in to, as far as that was looked into."""
        return self._sender.visitors_session()

    def _safely(self) -> Who:
        """Who it is, or nobody where that cannot be told: the view that captures goes on."""
        try:
            return self._who()
        except Exception as error:
            _guard.note(error)
            return _UNKNOWN

    def _is_known(self) -> bool:
        """Not told by the ids: after an ``identify`` browsers send a user's own id, which proves nothing."""
        return context_names_user() or self._who().user is not None

    def _answered(self, status: int, duration_s: float, *, known: bool) -> dict[str, Any]:
        route = _pattern(self._request.resolver_match)
        found = answered(route, self._request.method, status, duration_s)
        found["$current_url"] = current_url(self._sent, route, self._properties)
        if not known:
            found["$is_identified"] = False
        if key_hash := self._sender.session_key_hash:
            found["session_key_hash"] = key_hash
        if exception := getattr(self._request, _EXCEPTION, None):
            found["exception"] = exception
        return {**self._properties, **found}


def _pattern(match: Any) -> str | None:
    return None if match is None else f"/{match.route.removeprefix('^')}"


def _note_exception(*, request: HttpRequest | None = None, **_: Any) -> None:
    """Django sends this for what becomes a response of status 500, from within its ``except``."""
    kind = sys.exc_info()[0]
    if request is not None and kind is not None:
        setattr(request, _EXCEPTION, kind.__name__)
