from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession
from prometheus_client import CollectorRegistry, Counter

from loopin_streams.health import health_server


@pytest.fixture
async def session() -> AsyncIterator[ClientSession]:
    async with ClientSession() as session:
        yield session


async def test_health_readiness_and_metrics(session: ClientSession) -> None:
    registry = CollectorRegistry()
    Counter("things", "Things.", registry=registry).inc(3)
    reason: str | None = "no partition is open yet"
    async with health_server("127.0.0.1", 0, registry, {"partitions": lambda: reason}) as port:
        base = f"http://127.0.0.1:{port}"
        async with session.get(f"{base}/healthz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ok"})
        async with session.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.json()) == (503, {"status": "not ready", "reason": reason})
        reason = None
        async with session.get(f"{base}/readyz") as answer:
            assert (answer.status, await answer.json()) == (200, {"status": "ready"})
        async with session.get(f"{base}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            assert "things_total 3.0" in await answer.text()


async def test_a_check_may_be_left_out(session: ClientSession) -> None:
    checks = {"partitions": lambda: None, "lag": lambda: "It is an hour behind."}
    async with health_server("127.0.0.1", 0, CollectorRegistry(), checks) as port:
        ready = f"http://127.0.0.1:{port}/readyz"
        for query, status in (("", 503), ("?exclude=lag", 200), ("?exclude=partitions", 503)):
            async with session.get(ready + query) as answer:
                assert answer.status == status, query
        async with session.get(f"{ready}?exclude=lag&exclude=lags") as answer:
            said = await answer.json()
            assert answer.status == 400
            assert said["reason"] == "There is no check lags: leave out one of partitions, lag."


async def test_the_port_is_free_again_afterwards() -> None:
    async with health_server("127.0.0.1", 0, CollectorRegistry(), {}) as port:
        with pytest.raises(OSError, match="address already in use"):
            async with health_server("127.0.0.1", port, CollectorRegistry(), {}):
                pass
    async with health_server("127.0.0.1", port, CollectorRegistry(), {}) as again:
        assert again == port
