"""The application behind real sockets."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from loopin_api.server import serve, serving
from loopin_api.settings import ConfigurationError
from loopin_sinks.store import Store

if TYPE_CHECKING:
    from tests.api.conftest import Bearer


@pytest.fixture
def store(untouched_store: Store) -> Store:
    return untouched_store


async def test_it_serves_on_a_free_port_and_stops(app: FastAPI) -> None:
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient(timeout=60) as client:
        assert (await client.get(f"{url}/healthz")).status_code == 200
    with pytest.raises(httpx.ConnectError):
        async with httpx.AsyncClient(timeout=60) as client:
            await client.get(f"{url}/healthz")


async def test_open_requests_may_end(app: FastAPI) -> None:
    begun, finish = asyncio.Event(), asyncio.Event()

    @app.get("/slow")
    async def slow() -> str:
        begun.set()
        await finish.wait()
        return "done"

    async with httpx.AsyncClient(timeout=60) as client:
        async with serving(app, "127.0.0.1", 0) as url:
            request = asyncio.create_task(client.get(f"{url}/slow"))
            await begun.wait()
            asyncio.get_running_loop().call_later(0.2, finish.set)
        assert (await request).json() == "done"


async def test_serve_ends_when_it_is_cancelled(app: FastAPI) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    task = asyncio.create_task(serve(app, "127.0.0.1", port))
    async with httpx.AsyncClient(timeout=60) as client:
        deadline = time.monotonic() + 60
        while True:
            try:
                response = await client.get(f"http://127.0.0.1:{port}/healthz")
                break
            except httpx.ConnectError:
                assert time.monotonic() < deadline, "nobody listens"
                await asyncio.sleep(0.01)
    assert response.status_code == 200
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_signals_stay_with_the_process(app: FastAPI) -> None:
    before = signal.getsignal(signal.SIGTERM)
    async with serving(app, "127.0.0.1", 0):
        assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize("host", ["127.0.0.1", "256.0.0.1"])
async def test_an_address_that_cannot_be_used_is_named(app: FastAPI, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ConfigurationError, match="LOOPIN_API_PORT"):
            async with serving(app, host, taken.getsockname()[1]):
                pass


async def test_a_megabyte_is_refused_while_it_is_still_being_sent(
    app: FastAPI, bearer: Bearer, refused: Callable[..., Any]
) -> None:
    async with serving(app, "127.0.0.1", 0) as url, httpx.AsyncClient(timeout=60) as client:
        headers = {"Content-Type": "application/json", **bearer("ingest")}
        target = f"{url}/api/analytics/events/track"
        response = await client.post(target, content=b"x" * 1_000_000, headers=headers)
        refused(response, 413, "BODY_TOO_LARGE")
        again = await client.post(target, json={"event_name": "click"}, headers=bearer("ingest"))
        assert again.status_code == 200
