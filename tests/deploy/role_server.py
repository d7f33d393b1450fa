"""A role that says what a test tells it to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Role:
    """A role that answers as it is told, by path and query."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, bytes]] = {}
        self.keys: list[str | None] = []
        role = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                role.keys.append(self.headers.get("Authorization"))
                status, body = role.answers.get(self.path, (404, b""))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving() -> Iterator[Role]:
    """A role that answers while the context lasts."""
    role = Role()
    thread = threading.Thread(target=role.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield role
    finally:
        role.server.shutdown()
        role.server.server_close()
        thread.join()
