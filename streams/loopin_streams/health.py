"""The small HTTP server of a role without an API: ``/healthz``, ``/readyz``, ``/metrics``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from loopin_streams.readiness import Checks, first_reason, unknown_check


@asynccontextmanager
async def health_server(
    host: str, port: int, registry: CollectorRegistry, checks: Checks
) -> AsyncIterator[int]:
    """Serve while the context lasts; yields the port that is listened on.

    ``/readyz?exclude=NAME`` leaves a check out.

    Raises:
        OSError: the port is taken.
    """

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def readyz(request: web.Request) -> web.Response:
        exclude = request.query.getall("exclude", [])
        unknown = unknown_check(checks, exclude)
        if unknown is not None:
            return web.json_response({"status": "unknown", "reason": unknown}, status=400)
        reason = first_reason(checks, exclude)
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
