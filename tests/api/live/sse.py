"""Server-Sent Events read as the standard says (WHATWG HTML, section 9.2.6)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

PATH = "/api/analytics/live"


class Event(NamedTuple):
    """An event; one of the kind ``comment`` has what follows the colon."""

    kind: str
    id: str
    data: Any


class Events:
    """What a connection brings, one after the other; ``last_id`` is where it has come to."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.last_id = ""
        self.retry_ms: int | None = None
        self._lines = response.aiter_lines()

    async def next(self) -> Event:
        """The next event or comment; StopAsyncIteration at the end of the stream."""
        kind, data = "message", ""
        while True:
            line = await anext(self._lines)
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                if data:
                    return Event(kind, self.last_id, json.loads(data))
                kind = "message"
            elif not name:
                return Event("comment", self.last_id, value)
            elif name == "event":
                kind = value
            elif name == "id":
                self.last_id = value
            elif name == "retry":
                self.retry_ms = int(value)
            elif name == "data":
                data += value

    async def __aiter__(self) -> AsyncIterator[Event]:
        """All to come, until the stream ends."""
        while True:
            try:
                yield await self.next()
            except StopAsyncIteration:
                return

    async def begun(self) -> Events:
        """Once it has told where it is."""
        while not self.last_id:
            line = await anext(self._lines)
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("retry: "):
                self.retry_ms = int(line[7:])
        return self


@asynccontextmanager
async def listening(
    url: str, headers: Mapping[str, str], last_id: str | None = None, query: str = "", *, wait: bool = True
) -> AsyncIterator[Events]:
    """A client of its own connection."""
    sent = dict(headers) if last_id is None else {**headers, "Last-Event-ID": last_id}
    async with (
        httpx.AsyncClient(timeout=120) as client,
        client.stream("GET", f"{url}{PATH}{query}", headers=sent) as response,
    ):
        events = Events(response)
        yield await events.begun() if wait else events
