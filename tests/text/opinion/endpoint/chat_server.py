"""A service that speaks chat completions over real HTTP, well or badly."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


def completion(content: str, tokens: int = 200) -> bytes:
    """The body of a good answer, as OpenAI's reference shows it."""
    return json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1741569952,
            "model": "gpt-4o-mini",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": content, "refusal": None},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": tokens - 50, "completion_tokens": 50, "total_tokens": tokens},
        }
    ).encode()


GOOD = completion('{"sentiment": "positive", "intensity": 8, "emotions": ["excitement", "satisfaction"]}')


class ChatServer:
    """What it answers, and what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.body = GOOD
        self.headers: dict[str, str] = {}
        self.hangs = False
        """Whether answers wait for ``released``."""
        self.drips = False
        """Whether bodies come byte by byte and never end."""
        self.drips_headers = False
        """Whether headers come one by one and never end."""
        self.released = threading.Event()
        self.arrived = threading.Semaphore(0)
        """Released once for each request that has arrived."""
        self.requests: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.tokens: list[str | None] = []


@contextmanager
def chat_server(certificate: Path | None = None) -> Iterator[ChatServer]:
    """A server on a free port of this machine; with a certificate (and its key) over TLS."""
    state = ChatServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.requests.append(json.loads(body))
            state.paths.append(self.path)
            state.tokens.append(self.headers.get("Authorization"))
            state.arrived.release()
            try:
                self._answer()
            except OSError:
                self.close_connection = True

        def _answer(self) -> None:
            if state.hangs:
                state.released.wait()
            self.send_response(state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            while state.drips_headers and not state.released.wait(0.01):
                self.send_header("X-Wait", "yes")
                self.flush_headers()
            self.send_header("Content-Length", str(10**6 if state.drips else len(state.body)))
            self.end_headers()
            if state.drips:
                while not state.released.wait(0.01):
                    self.wfile.write(b" ")
            else:
                self.wfile.write(state.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield state
    finally:
        state.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
