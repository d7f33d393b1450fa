"""Refusals in the words of the service whose SDK asks."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from loopin_api.errors import ApiError, with_limits
from loopin_api.ingest.answers import answer

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def speaking(words: Callable[[ApiError], dict[str, Any]]) -> type[APIRoute]:
    """A class of routes that answer an ApiError with the body that ``words`` makes of it."""

    class Route(APIRoute):
        def get_route_handler(self) -> Handler:
            handle = super().get_route_handler()

            async def translated(request: Request) -> Response:
                try:
                    return await handle(request)
                except ApiError as refusal:
                    error = await with_limits(request, refusal)
                    return answer(words(error), error.headers, error.status)

            return translated

    return Route
