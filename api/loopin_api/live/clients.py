"""The clients of the live feed: who may listen, and what each is sent until it goes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal

from loopin_api.errors import ApiError, unavailable
from loopin_api.instruments import Instruments
from loopin_api.live.feed import Feed
from loopin_api.live.frame import Message
from loopin_api.live.online import OnlineWatch
from loopin_api.live.subscription import Subscription
from loopin_api.live.wanted import Wanted

HEARTBEAT_S: Final = 15.0
"""How often a client hears something, so that proxies keep the connection and it knows where it is."""

STUCK_S: Final = 60.0
"""A client that reads nothing for so long is let go."""

RESERVED: Final = 10
"""One place in so many is kept for projects that have few: one project cannot take all."""

Way = Literal["sse", "websocket"]
End = Literal["left", "closing", "refused"]
"""Why a client is sent nothing more: it left, the process ends, or its token or key is good no more."""

Write = Callable[[Sequence[Message]], Awaitable[None]]


class Live:
    """All clients of this process.

    Args:
        feed: what they listen to.
        online: who asks the store for them.
        most: how many there may be.
    """

    def __init__(self, feed: Feed, online: OnlineWatch, most: int, instruments: Instruments) -> None:
        self.feed = feed
        self._online = online
        self._most = most
        self._instruments = instruments
        self._clients: set[Subscription] = set()
        self._by_project: Counter[str] = Counter()
        self._closing = False

    def check(self, project: str) -> None:
        """That one more client of a project may come.

        Raises:
            ApiError: 503.
        """
        if self._closing or self._full(project):
            raise unavailable(
                "TOO_MANY_CLIENTS",
                "This process serves as many clients of the live feed as LOOPIN_LIVE_MAX_CLIENTS says; try "
                "again later, or another one.",
            )
        if not self.feed.ready:
            raise unavailable(
                "FEED_NOT_READY", "The live feed is not followed yet: the broker must answer; try again."
            )

    def _full(self, project: str) -> bool:
        left = self._most - len(self._clients)
        if left > self._most // RESERVED:
            return False
        # Of the last places a project gets one while it has less than its share, with one more to come.
        share = self._most / (len(self._by_project) + 1)
        return left <= 0 or self._by_project[project] >= share

    @contextmanager
    def listening(
        self, project: str, wanted: Wanted, last_id: str | None, way: Way
    ) -> Iterator[Subscription]:
        """A client of a project within the block, from now or from its last id on.

        Raises:
            ApiError: 503.
        """
        self.check(project)
        client = self.feed.subscribe(project, wanted, last_id)
        channel = self.feed.channel(project)
        self._clients.add(client)
        self._by_project[project] += 1
        clients = self._instruments.live_clients.labels(way)
        clients.inc()
        if wanted.has("online"):
            self._online.join(project, channel.tell_online)
        try:
            yield client
        finally:
            if wanted.has("online") and self._online.leave(project):
                channel.forget_online()
            clients.dec()
            self._clients.discard(client)
            self._by_project[project] -= 1
            self._by_project += Counter()  # projects without a client are forgotten
            client.close()

    def close(self) -> None:
        """Send nobody anything more, because the process ends."""
        self._closing = True
        for client in self._clients:
            client.end()

    async def serve(self, client: Subscription, write: Write, allowed: Callable[[], bool]) -> End:
        """Send a client what there is until it goes; no messages are a heartbeat.

        ``allowed`` tells, at each heartbeat, whether its token or key is still good.

        Raises:
            TimeoutError: it reads nothing.
        """
        beat_at = time.monotonic() + HEARTBEAT_S
        while not client.ended:
            messages = client.take()
            left_s = beat_at - time.monotonic()
            if not messages and left_s > 0:
                await _wait(client.woken, left_s)
                continue
            if left_s <= 0:
                if not allowed():
                    return "refused"
                beat_at = time.monotonic() + HEARTBEAT_S
            async with asyncio.timeout(STUCK_S):
                await write(messages)
        return "closing" if self._closing else "left"


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def still(authenticate: Callable[[], bool]) -> Callable[[], bool]:
    """Whether a caller may still listen; where that is not known just now, it may."""

    def allowed() -> bool:
        try:
            return authenticate()
        except ApiError as error:
            return error.status == 503

    return allowed
