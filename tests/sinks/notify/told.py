"""Alerts to tell of, and an HTTP server that answers as it is told and keeps what it was sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic
from typing import Any, NamedTuple

from loopin_schemas.alert import Alert, AlertWindow

SECRET = "0123456789abcdef0123456789abcdef"
DEADLINE_S = 120.0
FIRED_MS = 1_790_000_000_000


def alert(number: int = 1, sequence: int = 1, **changes: Any) -> Alert:
    """An alert that fires; those of another ``number`` are about something else."""
    fields: dict[str, Any] = {
        "id": f"shop:payment_failures:country=IN:{number}",
        "sequence": sequence,
        "event": "fired",
        "state": "firing",
        "severity": "warning",
        "project": "shop",
        "rule": "payment_failures",
        "rule_version": "1",
        "metric": "payment_failure_rate",
        "dimensions": {"country": "IN"},
        "value": 0.12,
        "threshold": 0.05,
        "count": 40,
        "window": AlertWindow(grain="minute", start=FIRED_MS - 600_000, end=FIRED_MS),
        "message": "payment_failure_rate of project shop (country IN) is 12.0% over 10 minutes (limit 5.0%).",
        "opened_at": FIRED_MS,
        "fired_at": FIRED_MS,
        "at": FIRED_MS,
    }
    return Alert(**(fields | changes))


async def eventually(condition: Callable[[], object]) -> None:
    """Until something is so."""
    deadline = monotonic() + DEADLINE_S
    while not condition():
        assert monotonic() < deadline, "it does not come"
        await asyncio.sleep(0.01)


class Request(NamedTuple):
    """What the server was sent."""

    path: str
    headers: Mapping[str, str]
    body: bytes


class Receiver:
    """Takes requests; ``answers`` are statuses with headers, by path, one after the other, then 204."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answers: dict[str, list[tuple[int, dict[str, str]]]] = {}
        self.hold = threading.Event()
        self.held_path = ""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, dict(self.headers), body))
                if self.path == receiver.held_path:
                    receiver.hold.wait(60)
                waiting = receiver.answers.get(self.path)
                status, headers = waiting.pop(0) if waiting else (204, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Keep test output clean."""

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A server while the context lasts."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        receiver.hold.set()
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()
