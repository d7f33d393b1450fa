"""A running test server, and plain requests to it."""

from __future__ import annotations

import base64
import http.client
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.clickhouse import PASSWORD, USER, ClickHouseServer, clickhouse_server
from tests.clickhouse.plain_http import Answered, Ask


@pytest.fixture
def clickhouse(tmp_path: Path) -> Iterator[ClickHouseServer]:
    with clickhouse_server(tmp_path / "server") as server:
        yield server


@pytest.fixture
def ask(clickhouse: ClickHouseServer) -> Ask:
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def send(
        arguments: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        path: str = "/",
    ) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", clickhouse.server_port, timeout=30)
        try:
            given = {"Authorization": f"Basic {login}"} if headers is None else dict(headers)
            target = f"{path}?{urlencode(arguments)}" if arguments else path
            connection.request(method, target, body if method == "POST" else None, given)
            answer = connection.getresponse()
            return Answered(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    return send
