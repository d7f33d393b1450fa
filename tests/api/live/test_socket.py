"""The live feed over a WebSocket, to the client of the library ``websockets``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from loopin_api.live.clients import Live
from loopin_api.live.feed import Feed
from loopin_api.server import serving
from loopin_api.settings import ApiSettings
from tests.api.conftest import PERSONAL_KEY
from tests.api.live.records import DEADLINE_S, EPOCH, alert, insight, until, window

if TYPE_CHECKING:
    from tests.api.conftest import Bearer

NO_ONLINE = "?types=metric,alert,insight"


@asynccontextmanager
async def connected(
    url: str,
    headers: dict[str, str] | None = None,
    query: str = NO_ONLINE,
    offers: Sequence[str] = (),
    origin: str | None = None,
) -> AsyncIterator[ClientConnection]:
    async with connect(
        f"{url.replace('http', 'ws', 1)}/api/analytics/live/ws{query}",
        additional_headers=headers,
        subprotocols=[Subprotocol(one) for one in offers] or None,
        origin=None if origin is None else Origin(origin),
        proxy=None,
        open_timeout=DEADLINE_S,
    ) as socket:
        yield socket


async def told(socket: ClientConnection) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        return json.loads(await socket.recv())


async def closed(socket: ClientConnection) -> tuple[int, str]:
    """With which code and reason the server closes, whatever it sends before."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                await socket.recv()
            except ConnectionClosed as end:
                return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (0, "the connection broke")


async def test_what_happens_is_told(url: str, feed: Feed, bearer: Bearer) -> None:
    async with connected(url, bearer("read")) as socket:
        assert await told(socket) == {"type": "heartbeat", "id": f"{EPOCH}:0.0:0:0", "data": None}
        feed.absorb_metrics(1, [window(0, 3)], 1)
        metric = await told(socket)
        assert (metric["type"], metric["id"]) == ("metric", f"{EPOCH}:0.1:0:0")
        assert (metric["data"]["metric"], metric["data"]["count"]) == ("events", 3)
        feed.absorb_alerts(0, [alert(0, message="Größer")], 1)
        found = await told(socket)
        assert (found["type"], found["id"]) == ("alert", f"{EPOCH}:0.1:1:0")
        assert found["data"] == {
            "id": "alert-0", "project": "shop", "severity": "warning", "message": "Größer"
        }  # fmt: skip
    feed.absorb_alerts(0, [alert(1)], 2)
    feed.absorb_insights(0, [insight(0)], 1)
    async with connected(url, bearer("read"), f"{NO_ONLINE}&last_event_id={found['id']}") as socket:
        assert [(await told(socket))["type"] for _ in range(3)] == ["heartbeat", "alert", "insight"]


@pytest.mark.parametrize("more", [[], ["loopin.live"]])
async def test_a_page_signs_in_by_a_subprotocol(url: str, feed: Feed, more: list[str]) -> None:
    offers = [*more, f"bearer.{PERSONAL_KEY}"]
    async with connected(url, offers=offers) as socket:
        assert (await told(socket))["type"] == "heartbeat"
        assert socket.subprotocol == offers[0]


async def test_who_may_listen(url: str, bearer: Bearer) -> None:
    async with connected(url) as socket:
        code, reason = await closed(socket)
        assert (code, "subprotocol bearer.<token>" in reason) == (4401, True)
    async with connected(url, offers=["loopin.live", "bearer.lk_unknown"]) as socket:
        assert (await closed(socket))[0] == 4401
    async with connected(url, bearer("ingest")) as socket:
        assert await closed(socket) == (4403, "This needs the scope read; use a token or key that has it.")


@pytest.mark.parametrize(("query", "name"), [("?grain=week", "grain"), ("?since=1", "since")])
async def test_a_filter_that_is_misspelt_is_refused(url: str, bearer: Bearer, query: str, name: str) -> None:
    async with connected(url, bearer("read"), query) as socket:
        code, reason = await closed(socket)
        assert (code, name in reason) == (1008, True), reason


async def test_only_the_projects_own_pages_may_listen(
    settings: ApiSettings, app: FastAPI, feed: Feed, bearer: Bearer
) -> None:
    app.state.services.intake.origins._by_project = {"shop": frozenset({"https://shop.example"})}
    async with serving(app, "127.0.0.1", 0) as url:
        async with connected(url, bearer("read"), origin="https://shop.example") as socket:
            assert (await told(socket))["type"] == "heartbeat"
        async with connected(url, bearer("read"), origin="https://elsewhere.example") as socket:
            assert (await closed(socket))[0] == 4403


async def test_there_may_be_only_so_many_clients(
    url: str, live: Live, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_most", 1)
    async with connected(url, bearer("read")) as first:
        await told(first)
        async with connected(url, bearer("read")) as second:
            assert (await closed(second))[0] == 1013
    await until(lambda: not live._clients)


async def test_a_token_that_is_good_no_more_listens_no_more(
    url: str, app: FastAPI, bearer: Bearer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopin_api.live.clients.HEARTBEAT_S", 0.05)
    async with connected(url, bearer("read")) as socket:
        await told(socket)
        monkeypatch.setattr(app.state.services.authenticator, "_jwt_secret", "another" * 10)
        assert (await closed(socket))[0] == 4401


async def test_sockets_end_with_the_server(app: FastAPI, feed: Feed, live: Live, bearer: Bearer) -> None:
    async with serving(app, "127.0.0.1", 0) as url:
        socket = await connect(
            f"{url.replace('http', 'ws', 1)}/api/analytics/live/ws{NO_ONLINE}",
            additional_headers=bearer("read"),
            proxy=None,
        )
        assert (await told(socket))["type"] == "heartbeat"
    assert (await closed(socket))[0] == 1012
    assert not live._clients


async def test_a_client_that_says_too_much_is_let_go(url: str, live: Live, bearer: Bearer) -> None:
    async with connected(url, bearer("read")) as socket:
        await socket.send("hello")  # passed over
        await socket.send("x" * 5000)
        assert (await closed(socket))[0] == 1009
    await until(lambda: not live._clients)
