"""The live feed as Server-Sent Events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from loopin_api.live.clients import Live
from loopin_api.live.frame import Message
from loopin_api.live.subscription import Subscription

RETRY_MS: Final = 2000
"""After how long a client that lost its connection comes back."""

_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
"""Neither kept nor gathered on the way; the second is what nginx asks for."""


def sse(message: Message) -> bytes:
    """A message as it is sent."""
    return b"event: %s\nid: %s\ndata: %s\n\n" % (message.kind.encode(), message.id.encode(), message.data)


class EventStream(StreamingResponse):
    """Sends a client of the live feed what there is until it goes.

    Without the task group of its base class, which a thousand idle clients would pay for.
    """

    def __init__(
        self, live: Live, listening: AbstractContextManager[Subscription], allowed: Callable[[], bool]
    ) -> None:
        self._live = live
        self._listening = listening
        self._allowed = allowed
        super().__init__(_nothing(), headers=_HEADERS, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._listening as client:
            leaving = asyncio.create_task(_until_gone(receive, client))
            try:
                await self._serve(client, send)
            finally:
                leaving.cancel()

    async def _serve(self, client: Subscription, send: Send) -> None:
        async def write(messages: Sequence[Message]) -> None:
            body = b"".join(map(sse, messages)) or b": heartbeat\nid: %s\n\n" % client.id.encode()
            await send({"type": "http.response.body", "body": body, "more_body": True})

        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        begin = b"retry: %d\nid: %s\n\n" % (RETRY_MS, client.id.encode())
        await send({"type": "http.response.body", "body": begin, "more_body": True})
        try:
            await self._live.serve(client, write, self._allowed)
        except TimeoutError:
            raise ClientDisconnect from None
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive, client: Subscription) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    client.end()


async def _nothing() -> AsyncIterator[bytes]:
    """The base class wants a body."""
    return
    yield b""
