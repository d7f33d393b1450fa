from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from loopin_deploy.api_client import ApiClient
from loopin_deploy.errors import DeployError
from loopin_deploy.ports import free_port

METRICS = """\
# TYPE loopin_send_to_queryable_seconds gauge
loopin_send_to_queryable_seconds{quantile="0.5"} 0.125
loopin_send_to_queryable_seconds{quantile="0.99"} 0.5
# TYPE other gauge
other{quantile="0.5"} 1.0
"""

Answer = tuple[int, bytes]


class Api:
    """An API that answers as it is told, and keeps what it was asked."""

    def __init__(self) -> None:
        self.answer: Answer = (200, b"{}")
        self.headers: dict[str, str] = {}
        self.asked: list[tuple[str, str | None]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.asked.append((self.path, self.headers.get("Authorization")))
                status, body = api.answer
                self.send_response(status)
                for name, value in (api.headers or {"Content-Length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep test output clean."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.client = ApiClient(f"http://127.0.0.1:{self.server.server_port}", "key")


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    # A proxy that nobody listens at must not come between.
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    api = Api()
    thread = threading.Thread(target=api.server.serve_forever, args=(0.01,))
    thread.start()
    yield api
    api.server.shutdown()
    thread.join()
    api.server.server_close()


def test_the_overview_is_asked_with_the_key(api: Api) -> None:
    api.answer = (200, b'{"success": true, "data": {"tracked_events": 7}}')

    assert api.client.overview(days=3) == {"tracked_events": 7}
    assert api.asked == [("/api/analytics/overview?days=3", "Bearer key")]


def test_health_gives_the_components(api: Api) -> None:
    api.answer = (200, b'{"data": {"components": {"store": {"ok": true}}}}')

    assert api.client.health()["components"]["store"] == {"ok": True}


def test_exported_rows_are_read_as_csv(api: Api) -> None:
    api.answer = (200, 'event,distinct_id\n"a,\nb","grüße"\r\nc,d\n'.encode())

    assert list(api.client.exported()) == [
        {"event": "a,\nb", "distinct_id": "grüße"},
        {"event": "c", "distinct_id": "d"},
    ]


def test_latencies_are_read_from_the_metrics(api: Api) -> None:
    api.answer = (200, METRICS.encode())

    assert api.client.latency_ms() == {"0.5": 125.0, "0.99": 500.0}


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_a_refusal_is_a_sentence_with_the_status(status: int, api: Api) -> None:
    api.answer = (status, b"<html>no</html>")

    with pytest.raises(DeployError, match=f"The API answered {status} on /api/analytics/health") as raised:
        api.client.health()

    assert raised.value.code == "api_refused"


ASKS: list[Callable[[ApiClient], object]] = [
    lambda client: client.health(),
    lambda client: list(client.exported()),
    lambda client: client.latency_ms(),
]


@pytest.mark.parametrize("ask", ASKS)
def test_an_answer_that_breaks_off_is_a_sentence(ask: Callable[[ApiClient], object], api: Api) -> None:
    # Streamed, as the export is; the chunk that ends it is missing.
    api.answer, api.headers = (200, b'5\r\n{"a":\r\n'), {"Transfer-Encoding": "chunked"}

    with pytest.raises(DeployError, match="does not answer") as raised:
        ask(api.client)

    assert raised.value.code == "api_unreachable"


@pytest.mark.parametrize("body", [b"<html>another program</html>", b"[]", b"{}", b"\xff", b'{"data": 3}'])
def test_another_programs_answer_is_a_sentence(body: bytes, api: Api) -> None:
    api.answer = (200, body)

    with pytest.raises(DeployError, match="something else than the API answers") as raised:
        api.client.health()

    assert raised.value.code == "api_not_ours"


def test_nobody_at_the_address_is_a_sentence() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with pytest.raises(DeployError) as raised:
        ApiClient(url, "key").overview()

    said = f"The API at {url} does not answer (Connection refused): see whether it runs at this address."
    assert (raised.value.code, str(raised.value)) == ("api_unreachable", said)
