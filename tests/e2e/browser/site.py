"""A web site that loads loopin.js, and records what the script posts to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopin_api.routers.browser import SCRIPT

KEY = "lk_browser"
DEADLINE_S = 60.0

Event = dict[str, Any]


@dataclass(frozen=True)
class Posted:
    """A request to ``/batch/``, and the status it was answered with."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def batch(self) -> dict[str, Any]:
        decoded: dict[str, Any] = json.loads(self.body)
        return decoded


@dataclass(frozen=True)
class Answer:
    """How ``/batch/`` answers; ``hold`` keeps the answer back until the event is set."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hold: threading.Event | None = None
    body: bytes = b'{"status":1}'


class Site:
    """Serves one page under every path.

    ``attributes`` go into the tag of our script, for which ``tag`` may stand another; ``head`` and ``body``
    go into the page.
    """

    def __init__(self) -> None:
        self.attributes = ""
        self.tag = ""
        self.head = ""
        self.body = ""
        self.headers: dict[str, str] = {}
        self.files: dict[str, bytes] = {"/static/loopin.js": SCRIPT}
        self.answer: Callable[[], Answer] = Answer
        self.posted: list[Posted] = []
        self.changed = threading.Condition()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path in site.files:
                    self._answer(200, {"Content-Type": "text/javascript"}, site.files[path])
                else:
                    headers = {"Content-Type": "text/html; charset=utf-8", **site.headers}
                    self._answer(200, headers, site.html().encode())

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = site.answer()
                site._record(Posted(answer.status, {k.lower(): v for k, v in self.headers.items()}, body))
                if answer.hold:
                    answer.hold.wait(DEADLINE_S)
                headers = {"Access-Control-Expose-Headers": "Retry-After", **answer.headers}
                self._answer(answer.status, headers, answer.body)

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {**headers, "Access-Control-Allow-Origin": "*"}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # a browser that closes a connection is no error

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def html(self) -> str:
        ours = f'<script src="{self.url}/static/loopin.js" data-key="{KEY}" {self.attributes} defer></script>'
        head = f"<title>A page</title>{self.head}{self.tag or ours}"
        return f"<!doctype html><html><head>{head}</head><body>{self.body}</body></html>"

    def _record(self, posted: Posted) -> None:
        with self.changed:
            self.posted.append(posted)
            self.changed.notify_all()

    @property
    def events(self) -> list[Event]:
        """The events of the requests that were answered with 200, in order of arrival."""
        return [
            event for posted in list(self.posted) if posted.status == 200 for event in posted.batch["batch"]
        ]

    def named(self, *names: str) -> list[Event]:
        """The events of these names by their ids, which is the order of their capture.

        Each once: what a page's end cut off comes again from the next page. Beacons may overtake each other.
        """
        found = {event["uuid"]: event for event in self.events if event["event"] in names}
        return [found[uuid] for uuid in sorted(found)]

    def wait_for(self, count: int, *names: str) -> list[Event]:
        """The events of these names, once there are ``count``."""
        self.wait_until(lambda: len(self.named(*names)) >= count, f"{count} of {names}")
        return self.named(*names)

    def wait_until(self, condition: Callable[[], bool], what: str = "the condition") -> None:
        """Returns once the condition, asked at each request, holds."""
        with self.changed:
            held = self.changed.wait_for(condition, DEADLINE_S)
        assert held, f"{what} did not come; there are {[event['event'] for event in self.events]}"


@contextmanager
def serving_site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        site.server.shutdown()
        site.server.server_close()
        thread.join()
