"""Lets what streamed content captures be the sender's, though it runs after the request's context."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial

from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from loopin_producers.context import Scope, current_scope, new_context


def stream_in_context(response: HttpResponseBase) -> None:
    """Make each piece of a streamed response within the current context, and close it there.

    Files stay as they are: they capture nothing, and a server that sends them by itself would no longer.
    """
    scope = current_scope()
    if scope is None or isinstance(response, FileResponse) or not isinstance(response, StreamingHttpResponse):
        return
    closers = response._resource_closers  # type: ignore[attr-defined]  # not in its stubs
    closers[:] = [partial(_run, scope, close) for close in closers]
    content = response.streaming_content
    response.streaming_content = (
        _each(scope, content) if isinstance(content, Iterator) else _each_awaited(scope, content)
    )


@contextmanager
def _again(scope: Scope) -> Iterator[None]:
    """The context of before, entered for one piece only: the server does other things in between."""
    with new_context(fresh=True):
        if (here := current_scope()) is not None:
            here.parent, here.tags = scope, scope.tags
            yield
            scope.distinct_id = here.distinct_id or scope.distinct_id


def _run(scope: Scope, close: Callable[[], object]) -> None:
    with _again(scope):
        close()


def _each(scope: Scope, content: Iterator[bytes]) -> Iterator[bytes]:
    while True:
        with _again(scope):
            piece = next(content, None)
        if piece is None:
            return
        yield piece


async def _each_awaited(scope: Scope, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        with _again(scope):
            piece = await anext(content, None)
        if piece is None:
            return
        yield piece
