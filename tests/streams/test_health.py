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
    async with health_server("127.0.0.1", 0, registry, lambda: reason) as port:
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


async def test_the_port_is_free_again_afterwards() -> None:
    async with health_server("127.0.0.1", 0, CollectorRegistry(), lambda: None) as port:
        with pytest.raises(OSError, match="address already in use"):
            async with health_server("127.0.0.1", port, CollectorRegistry(), lambda: None):
                pass
    async with health_server("127.0.0.1", port, CollectorRegistry(), lambda: None) as again:
        assert again == port
