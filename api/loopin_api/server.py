"""Serving the application inside an event loop that has other work too."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from loopin_api.settings import ConfigurationError

GRACE_S: Final = 10
"""How long open requests may take once the server is told to stop, in seconds."""

MAX_MESSAGE: Final = 4096
"""Largest message of a WebSocket's client, in bytes: none says anything that is listened to."""

_POLL_S: Final = 0.01


class _Server(uvicorn.Server):
    """Leaves the process's signals to whoever runs the event loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(app: FastAPI, host: str, port: int) -> AsyncIterator[str]:
    """Serve within the block; gives the base URL, e.g. ``http://127.0.0.1:8000``. Port 0 takes a free one.

    At the end of the block no new connection is taken, and open requests have ``GRACE_S`` to end.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    listener = _listen(host, port)
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # uvicorn would believe X-Forwarded-For of any local process
        timeout_graceful_shutdown=GRACE_S,
        ws_max_size=MAX_MESSAGE,
        ws_per_message_deflate=False,  # its buffers are the most that an idle client would take
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve([listener]), name="http server")
    try:
        while not server.started:
            if running.done():
                running.result()
                raise ConfigurationError("The API did not start; see the log lines above.")
            await asyncio.sleep(_POLL_S)
        yield _url(listener)
    finally:
        app.state.services.live.close()  # else those streams would last as long as the grace
        server.should_exit = True
        await running
        listener.close()


async def serve(app: FastAPI, host: str, port: int) -> None:
    """Serve until cancelled.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    async with serving(app, host, port):
        await asyncio.Event().wait()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    listener.setblocking(False)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    return ConfigurationError(
        f"Set LOOPIN_API_PORT or LOOPIN_API_HOST to another one: "
        f"{host}:{port} cannot be listened on ({error.strerror})."
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
