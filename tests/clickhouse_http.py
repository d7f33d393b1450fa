"""A small server that speaks ClickHouse's HTTP interface over the embedded engine.

It is no ClickHouse server: it shows that our client side sends and reads what ClickHouse specifies.
"""

from __future__ import annotations

import base64
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import chdb

USER, PASSWORD = "loopin", "p%ss:wörd"

TRANSPORT_ONLY = {
    *("query", "database", "client_protocol_version", "wait_end_of_query", "enable_http_compression"),
    *("send_progress_in_http_headers", "http_headers_progress_interval_ms", "session_id", "query_id"),
}


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ClickHouseHttp

    def do_GET(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = self._chunks()
        url = urlsplit(self.path)
        arguments = dict(parse_qsl(url.query, keep_blank_values=True))
        self.server.requests.append(arguments)
        if self.server.break_connections:
            self.close_connection = True
            return
        if not self._authorised():
            self._answer(
                403, b"Code: 516. DB::Exception: Authentication failed (AUTHENTICATION_FAILED)", "516"
            )
            return
        sql = arguments.get("query", "").encode() + body if "query" in arguments else body
        try:
            answer = self._run(sql, arguments)
        except Exception as error:
            code = re.search(r"Code: (\d+)", str(error))
            self._answer(500, str(error).encode(), code.group(1) if code else "1002")
            return
        self._answer(200, answer, None)

    def _run(self, sql: bytes, arguments: dict[str, str]) -> bytes:
        parameters = {k.removeprefix("param_"): v for k, v in arguments.items() if k.startswith("param_")}
        settings = {
            k: v for k, v in arguments.items() if not k.startswith("param_") and k not in TRANSPORT_ONLY
        }
        connection = chdb.connect(self.server.location)
        try:
            for name, value in settings.items():
                connection.query(f"SET {name} = '{value}'")
            insert, found, block = sql.partition(b" FORMAT Arrow\n")
            if not found:
                return bytes(connection.query(sql.decode(), "TabSeparated", params=parameters).bytes())
            with tempfile.NamedTemporaryFile() as file:
                file.write(block)
                file.flush()
                connection.query(f"{insert.decode()} FROM INFILE '{file.name}' FORMAT Arrow")
            return b""
        finally:
            connection.close()

    def _authorised(self) -> bool:
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return self.headers.get("Authorization") == f"Basic {expected}"

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, status: int, body: bytes, exception_code: str | None) -> None:
        self.send_response(status)
        if exception_code is not None:
            self.send_header("X-ClickHouse-Exception-Code", exception_code)
        self.send_header("X-ClickHouse-Timezone", "UTC")
        self.send_header("X-ClickHouse-Summary", "{}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep test output clean."""


class ClickHouseHttp(ThreadingHTTPServer):
    """The server on a free port; ``requests`` holds the arguments of each request it got."""

    # server_close then waits for running requests, which hold the engine.
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.location = str(folder)
        self.requests: list[dict[str, str]] = []
        self.break_connections = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in mid-answer is part of the tests; anything else is a fault here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def clickhouse_server(folder: Path) -> Iterator[ClickHouseHttp]:
    """A server that runs within the block, on an engine in ``folder``."""
    server = ClickHouseHttp(folder)
    engine = chdb.connect(server.location)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        engine.close()
