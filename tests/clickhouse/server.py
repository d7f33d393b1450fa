"""The server: its requests, its user, its faults."""

from __future__ import annotations

import socket
import struct
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic
from typing import Any, NoReturn
from urllib.parse import urlsplit

import msgspec

from tests.clickhouse import statement
from tests.clickhouse.answer import BUFFER_BYTES, Answer, negotiated
from tests.clickhouse.engine import Engine, EngineError
from tests.clickhouse.faults import AnyFault, Cut, Down, Error, Faults, Reset, Slow
from tests.clickhouse.request import Arguments, Body, RequestError, arguments, decompressed, form
from tests.clickhouse.statement import Statement

USER, PASSWORD = "loopin", "p%ss:wörd"

_START_BYTES = 65_536
"""As much of a body as shows whether it is an insert."""

_LINGER = struct.Struct("ii")

_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "JSON": "application/json; charset=UTF-8",
    "Native": "application/octet-stream",
}


class ClickHouseServer(ThreadingHTTPServer):
    """The server on a port of the loopback address; ``requests`` holds the arguments of each query it got."""

    # server_close then waits for running requests, which hold the engine.
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, folder: Path, port: int = 0, user: str = USER, password: str = PASSWORD) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.engine = Engine(folder)
        self.login = (user, password)
        self.faults = Faults()
        self.requests: list[dict[str, str]] = []
        self._connections: set[socket.socket] = set()
        self._running = 0
        self._ended = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def wait_idle(self, seconds: float = 30) -> None:
        """Return once no request is under way.

        Raises:
            TimeoutError: one still is.
        """
        with self._ended:
            if not self._ended.wait_for(lambda: self._running == 0, seconds):
                raise TimeoutError(f"{self._running} requests are under way")

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A request is under way within the block."""
        with self._ended:
            self._running += 1
        try:
            yield
        finally:
            with self._ended:
                self._running -= 1
                self._ended.notify_all()

    def server_close(self) -> None:
        """Let running requests end, and idle connections go."""
        self.faults.clear()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RD)
        super().server_close()
        self.engine.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; without a farewell where it is to be reset."""
        if _LINGER.unpack(request.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.size))[0]:
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that ends in the middle is part of the tests; anything else is a fault here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: ClickHouseServer

    def do_GET(self) -> None:
        self._cleared = self.server.faults.cleared
        with self.server.counted():
            self._handle()

    do_POST = do_DELETE = do_GET

    def _handle(self) -> None:
        url = urlsplit(self.path)
        match url.path:
            case "/_fault":
                self._control()
            case "/ping" | "/replicas_status":
                if not self._refused(self.server.faults.met_by("other"), self._body()):
                    self._plain(200, b"Ok.\n")
            case "/" if self.command == "GET" and not url.query:
                self._plain(200, b"Ok.\n")
            case "/":
                self._query(url.query)
            case _:
                self._plain(404, f"There is no handle {url.path}\n".encode())

    def _query(self, in_url: str) -> None:
        try:
            asked, text, body = self._read_head(in_url)
            self.server.requests.append(dict(asked.given))
            fault = self.server.faults.met_by(statement.kind(text + body.beginning(_START_BYTES)))
            if self._refused(fault, body):
                return
            text += decompressed(body.whole(), self.headers.get("Content-Encoding", ""))
            if (asked.user, asked.password) != self.server.login:
                raise RequestError(516, f"{asked.user}: Authentication failed. (AUTHENTICATION_FAILED)")
            wanted = statement.parse(text, asked.default_format)
        except RequestError as error:
            Answer(self._start, self._send, "", None).fail(error.code, str(error))
        else:
            self._run(wanted, asked, fault)

    def _read_head(self, in_url: str) -> tuple[Arguments, bytes, Body]:
        """The arguments, the text that they hold, and the body that follows it."""
        body, fields = self._body(), {}
        content_type = self.headers.get("Content-Type", "")
        if content_type.startswith("multipart/form-data"):
            fields = form(content_type, body.whole())
            body = Body(self.rfile, 0)
        asked = arguments(in_url, fields, self.headers)
        return asked, f"{asked.query}\n".encode() if asked.query else b"", body

    def _body(self) -> Body:
        if self.headers.get("Transfer-Encoding") == "chunked":
            return Body(self.rfile, None)
        if self.command == "POST" and "Content-Length" not in self.headers:
            raise RequestError(381, "There is neither Content-Length nor chunks. (HTTP_LENGTH_REQUIRED)")
        return Body(self.rfile, int(self.headers.get("Content-Length", 0)))

    def _run(self, wanted: Statement, asked: Arguments, fault: AnyFault | None) -> None:
        answer = self._answer(wanted, asked, fault)
        # ClickHouse lets GET requests only read.
        settings = asked.settings | ({"readonly": "2"} if self.command == "GET" else {})
        try:
            with self.server.engine.session(asked.database, settings) as session:
                with closing(session.run(wanted, asked.parameters, asked.protocol)) as parts:
                    for part in self._slowed(parts, fault):
                        answer.headers["X-ClickHouse-Summary"] = session.summary.header()
                        answer.write(part)
                answer.headers["X-ClickHouse-Summary"] = session.summary.header()
        except EngineError as error:
            answer.fail(error.code, str(error))
            return
        if isinstance(fault, Reset):
            self._reset()
        answer.finish()

    def _answer(self, wanted: Statement, asked: Arguments, fault: AnyFault | None) -> Answer:
        encoding = ""
        if asked.given.get("enable_http_compression", "1") == "1":
            encoding = negotiated(self.headers.get("Accept-Encoding", ""))
        waits = asked.is_on("wait_end_of_query", "http_wait_end_of_query")
        hold = None if waits else BUFFER_BYTES + int(asked.given.get("buffer_size", 0))
        send = self._cut_after(fault.after_bytes) if isinstance(fault, Cut) else self._send
        answer = Answer(self._start, send, encoding, hold)
        answer.headers["X-ClickHouse-Query-Id"] = asked.query_id or str(uuid.uuid4())
        answer.headers["X-ClickHouse-Timezone"] = self.server.engine.timezone
        if wanted.returns_rows:
            answer.headers["X-ClickHouse-Format"] = wanted.format
            answer.headers["Content-Type"] = _CONTENT_TYPES.get(wanted.format, "text/plain; charset=UTF-8")
        return answer

    # Faults.

    def _control(self) -> None:
        faults = self.server.faults
        body = self._body().whole()
        if self.command == "DELETE":
            faults.clear()
        elif self.command == "POST":
            try:
                faults.add(msgspec.json.decode(body, type=AnyFault))
            except msgspec.DecodeError as error:
                self._plain(400, f"{error}\n".encode())
                return
        self._plain(200, msgspec.json.encode(faults.left()) + b"\n")

    def _refused(self, fault: AnyFault | None, body: Body) -> bool:
        """What the fault does to a request that has not reached the engine; whether it has been answered."""
        match fault:
            case Down():
                self._reset()
            case Reset(executed=False):
                body.beginning(fault.after_bytes)
                self._reset()
            case Slow():
                self._cleared.wait(fault.seconds)
            case Error(code=None):
                body.whole()
                self._plain(fault.status, b"<html>Bad gateway</html>\n")
                return True
            case Error(code=int(code)):
                body.whole()
                raise RequestError(code, "The fault that was asked for.")
        return False

    def _slowed(self, parts: Iterator[bytes], fault: AnyFault | None) -> Iterator[bytes]:
        factor = fault.factor if isinstance(fault, Slow) else 1.0
        started = monotonic()
        for part in parts:
            self._cleared.wait((monotonic() - started) * (factor - 1))
            yield part
            started = monotonic()

    def _cut_after(self, limit: int) -> Callable[[bytes], None]:
        left = limit

        def send(data: bytes) -> None:
            nonlocal left
            self.wfile.write(data[:left])
            left -= len(data)
            if left <= 0:
                self._reset()

        return send

    def _reset(self) -> NoReturn:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, 0))
        raise ConnectionResetError("the fault asks for it")

    # Answers.

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)

    def _plain(self, status: int, body: bytes) -> None:
        self._start(status, {"Content-Type": "text/plain; charset=UTF-8", "Content-Length": str(len(body))})
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep test output clean."""


@contextmanager
def clickhouse_server(folder: Path) -> Iterator[ClickHouseServer]:
    """A server that runs within the block, on an engine in ``folder``."""
    with ClickHouseServer(folder) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
