"""The command line's client of the live feed, against a server that breaks off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from loopin_deploy.errors import DeployError
from loopin_deploy.live_client import LiveClient, LiveEvent

FIRST = (
    b"retry: 2000\nid: e:1:0\n\n: heartbeat\nid: e:2:0\n\n"
    b'event: metric\r\nid: e:3:0\r\ndata: {"count":\r\ndata: 7}\r\n\r\n'
    b"id: e:4:0\n\nevent: alert\nid: e:4:1\ndata: {"
)
"""It ends in the middle of an event, which is then none."""

SECOND = b'retry: 2000\nid: e:4:0\n\nevent: alert\nid: e:4:1\ndata: {"id": "a"}\n\n'


class Server:
    """Answers requests in turn as it is told: a status, and a body that ends with the connection."""

    def __init__(self, answers: list[tuple[int, bytes]]) -> None:
        self.asked: list[tuple[str, str | None, str | None]] = []
        waiting, asked = iter(answers), self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.path, self.headers["Authorization"], self.headers["Last-Event-ID"]))
                status, body = next(waiting)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving(*answers: tuple[int, bytes]) -> Iterator[Server]:
    server = Server(list(answers))
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        server.server.server_close()
        thread.join()


def test_it_comes_back_where_it_was() -> None:
    waited: list[float] = []
    with serving((200, FIRST), (503, b""), (200, SECOND)) as server:
        events = LiveClient(server.url, "k", "?grain=day", waited.append).events()
        found = [next(events) for _ in range(6)]
        events.close()  # type: ignore[attr-defined]  # a generator
    assert found == [
        LiveEvent("connected", "", None),
        LiveEvent("metric", "e:3:0", {"count": 7}),
        LiveEvent("lost", "e:4:0", "the API has ended it"),
        LiveEvent("lost", "e:4:0", "the API answers 503"),
        LiveEvent("connected", "e:4:0", None),
        LiveEvent("alert", "e:4:1", {"id": "a"}),
    ]
    assert server.asked == [
        ("/api/analytics/live?grain=day", "Bearer k", None),
        *[("/api/analytics/live?grain=day", "Bearer k", "e:4:0")] * 2,
    ]
    assert waited == [2.0, 2.0]


def test_a_key_that_is_not_good_ends_it() -> None:
    with serving((403, b"")) as server, pytest.raises(DeployError, match="answered 403"):
        next(LiveClient(server.url, "k").events())
