"""What idle clients of the live feed cost a process of the API, and whether each hears what comes then."""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import monotonic, sleep, time
from unittest.mock import patch
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from confluent_kafka import Producer
from websockets.asyncio.client import connect

from loopin_api.auth import issue_jwt
from loopin_deploy.ports import free_port
from loopin_schemas.topics import ALERTS
from tests.bench.bench import PARTITIONS, Bench
from tests.bench.figures import Figure
from tests.bench.process import System, SystemFailed, this_python
from tests.deploy.command_line import run_process

CLIENTS = 1000
BEFORE = 10
"""Clients that are there already: what the first ones load is no cost of the others."""

ALERTS_SENT = 20
EVERY_S = 1.0
"""Time between two of them."""

IDLE_S = 20.0
"""Longer than between two heartbeats."""

READY_S = 180.0
TOLD_S = 120.0
SECRET = "a secret of the bench, thirty-two bytes"
PROJECT = "bench"

Next = Callable[[], Awaitable[str]]
"""The id of a client's next alert."""


def run(bench: Bench) -> None:
    """Both ways to listen."""
    # Each client is an open file of this process, and one of the API's.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for run_number in range(1, bench.runs + 1):
        for way, listen in (("SSE", _stream), ("WebSocket", _socket)):
            clients = bench.scaled(CLIENTS)
            figure = Figure(job="feed", system="loopin", run=run_number, case=f"{clients:,} clients, {way}")
            try:
                with TemporaryDirectory() as folder:
                    _measure(bench, listen, Path(folder), clients, figure)
            except (SystemFailed, TimeoutError) as error:
                figure.wrong = str(error) or "not every client heard every alert in time"
            bench.add(figure)


def _measure(
    bench: Bench, listen: Callable[..., AsyncIterator[Next]], folder: Path, clients: int, figure: Figure
) -> None:
    prefix, port = f"feed-{uuid4().hex[:8]}.", free_port()
    settings = {
        "LOOPIN_KAFKA_BOOTSTRAP": bench.broker.bootstrap,
        "LOOPIN_TOPIC_PREFIX": prefix,
        "LOOPIN_PARTITIONS": str(PARTITIONS),
        "LOOPIN_DATA_DIR": str(folder),
        "LOOPIN_API_PORT": str(port),
        "LOOPIN_JWT_SECRET": SECRET,
    }
    for command in (("topics", "apply"), ("migrate",)):
        ran = run_process(*command, env=settings)
        if ran.code:
            raise SystemFailed(ran.err)
    try:
        with patch.dict(os.environ, settings):
            api = System(
                ["loopin_deploy", "run", "api"], this_python(), bench.logs / "feed.log", bench.broker.tree
            )
        with api:
            token = issue_jwt(SECRET, sub="bench", project=PROJECT, scopes=["read"], ttl_s=3600)
            _wait_ready(port, token)
            producer = Producer({"bootstrap.servers": bench.broker.bootstrap})
            topic = prefix + ALERTS.name

            def send(number: int) -> None:
                alert = {"id": str(number), "project": PROJECT, "severity": "warning"}
                producer.produce(topic, json.dumps(alert).encode())
                producer.flush(TOLD_S)

            asyncio.run(_listen(api, listen, port, token, clients, send, figure))
    finally:
        bench.broker.delete_topics(prefix)


async def _listen(
    api: System,
    listen: Callable[..., AsyncIterator[Next]],
    port: int,
    token: str,
    clients: int,
    send: Callable[[int], None],
    figure: Figure,
) -> None:
    async with AsyncExitStack() as stack:

        async def come() -> Next:
            return await stack.enter_async_context(asynccontextmanager(listen)(port, token))

        first = [await come() for _ in range(BEFORE)]
        await asyncio.sleep(IDLE_S)
        before_mb, before_s = api.tree.rss_mb(), api.tree.cpu_s()
        began = monotonic()
        others = [await come() for _ in range(clients)]
        figure.more["connect_s"] = monotonic() - began
        connected_s = api.tree.cpu_s()
        figure.more["connect_cpu_ms"] = (connected_s - before_s) / clients * 1000
        await asyncio.sleep(IDLE_S)
        figure.more["added_mb"] = api.tree.rss_mb() - before_mb
        figure.more["idle_cpu_percent"] = (api.tree.cpu_s() - connected_s) / IDLE_S * 100
        figure.rss_mb = api.tree.rss_mb()

        sent_at: list[float] = []
        last_s = [0.0] * ALERTS_SENT
        heard = 0
        missed = 0

        async def hear(next_alert: Next) -> None:
            nonlocal heard, missed
            for number in range(ALERTS_SENT):
                if await next_alert() != str(number):
                    missed += 1
                last_s[number] = time() - sent_at[number]
                heard += 1

        hearing = [asyncio.create_task(hear(one)) for one in (*first, *others)]
        async with asyncio.timeout(TOLD_S):
            for number in range(ALERTS_SENT):
                sent_at.append(time())
                await asyncio.to_thread(send, number)
                await asyncio.sleep(EVERY_S)
            await asyncio.gather(*hearing)
        # The first one waits for the producer's connection.
        figure.more["last_told_ms"] = median(last_s[1:]) * 1000
        figure.more["slowest_told_ms"] = max(last_s[1:]) * 1000
        figure.more["missed"] = missed
        figure.events = heard
        if missed:
            figure.wrong = f"{missed} alerts were not those that were due"


async def _stream(port: int, token: str) -> AsyncIterator[Next]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"GET /api/analytics/live HTTP/1.1\r\nHost: bench\r\n"
        b"Authorization: Bearer %s\r\nAccept: text/event-stream\r\n\r\n" % token.encode()
    )
    await reader.readuntil(b"retry: ")

    async def next_alert() -> str:
        await reader.readuntil(b"event: alert\n")
        await reader.readuntil(b"data: ")
        return str(json.loads(await reader.readuntil(b"\n"))["id"])

    try:
        yield next_alert
    finally:
        writer.close()


async def _socket(port: int, token: str) -> AsyncIterator[Next]:
    headers = {"Authorization": f"Bearer {token}"}
    address = f"ws://127.0.0.1:{port}/api/analytics/live/ws"
    async with connect(address, additional_headers=headers, proxy=None, compression=None) as socket:
        await socket.recv()

        async def next_alert() -> str:
            while True:
                message = json.loads(await socket.recv())
                if message["type"] == "alert":
                    return str(message["data"]["id"])

        yield next_alert


def _wait_ready(port: int, token: str) -> None:
    """Until it takes a client."""
    asked = Request(
        f"http://127.0.0.1:{port}/api/analytics/live", headers={"Authorization": f"Bearer {token}"}
    )
    opener = build_opener(ProxyHandler({}))
    deadline = monotonic() + READY_S
    while True:
        try:
            with opener.open(asked, timeout=READY_S):
                return
        except OSError as error:
            if monotonic() > deadline:
                raise SystemFailed(f"the API is not ready after {READY_S:.0f} s: {error}") from error
            sleep(0.1)
