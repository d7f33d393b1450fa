"""A server that answers batches as a test says: what the API's ingestion endpoint promises, and worse."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Reply(NamedTuple):
    """What to answer; ``cut`` breaks the connection instead, after the events were taken."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = {}
    cut: bool = False


Events = list[dict[str, Any]]


def receipts(events: Events, results: dict[str, str] | None = None) -> Reply:
    """Each event's result, ``ok`` unless named by uuid."""
    said = results or {}
    listed = [
        {"uuid": event["uuid"], "result": said.get(event["uuid"], "ok"), "reason": "Because.", "code": "c"}
        for event in events
    ]
    return Reply(body=json.dumps({"success": True, "data": {"receipts": listed}}).encode())


class IngestServer:
    """``answer`` decides on each request; accepted events are in ``events``, in order of arrival."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer: Callable[[Events], Reply] = receipts
        self.requests: list[tuple[str, dict[str, str], Events]] = []
        self.events: Events = []

    def take(self, path: str, headers: dict[str, str], body: bytes) -> Reply:
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        decoded = json.loads(body)
        events: Events = decoded["events"]
        assert isinstance(decoded["sent_at"], int)
        self.requests.append((path, headers, events))
        reply = self.answer(events)
        if reply.body is None and not reply.cut:
            return reply
        decided = {} if reply.cut else json.loads(reply.body or b"{}").get("data") or {}
        kept = {one["uuid"] for one in decided.get("receipts", ()) if one["result"] in ("ok", "warning")}
        self.events += [event for event in events if reply.cut or event["uuid"] in kept]
        return reply


@contextmanager
def ingest_server(port: int = 0) -> Iterator[IngestServer]:
    """Serves on a free port within the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = state.take(self.path, headers, self.rfile.read(length))
            if reply.cut:
                self.close_connection = True
                return
            body = reply.body or b"{}"
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    state = IngestServer(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
