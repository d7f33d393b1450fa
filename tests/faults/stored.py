"""Rows of the store, read past the code that is judged: over HTTP, or by an engine in its own process."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

FORMAT = (
    " FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 0, "
    "output_format_json_quote_decimals = 1"
)
QUERY_S = 120.0


class Rows(Protocol):
    """Where rows are read."""

    def rows(self, sql: str) -> list[dict[str, Any]]: ...

    def command(self, *statements: str) -> None: ...


class ServerRows(NamedTuple):
    """A ClickHouse server."""

    url: str
    user: str
    password: str

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(_objects(self._ask(sql + FORMAT)))

    def command(self, *statements: str) -> None:
        for statement in statements:
            self._ask(statement)

    def _ask(self, sql: str) -> str:
        token = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request = urllib.request.Request(self.url, sql.encode(), {"Authorization": f"Basic {token}"})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=QUERY_S) as answer:
            text: str = answer.read().decode()
            return text


class EmbeddedRows(NamedTuple):
    """A folder of the embedded engine, which no other process may have open meanwhile."""

    path: Path

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return list(_objects(self._ask(sql + FORMAT)))

    def command(self, *statements: str) -> None:
        self._ask(*statements)

    def _ask(self, *statements: str) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "tests.faults.stored", str(self.path)],
            input=json.dumps(statements).encode(),
            capture_output=True,
            timeout=QUERY_S,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(ran.stderr.decode(errors="replace")[-600:])
        return ran.stdout.decode()


def _objects(lines: str) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in lines.splitlines())


def _ask_engine(path: str, statements: list[str]) -> bytes:
    import chdb

    engine = chdb.connect(path)
    try:
        return b"".join(bytes(engine.query(sql, "TabSeparated").bytes()) for sql in statements)
    finally:
        engine.close()


if __name__ == "__main__":
    sys.stdout.buffer.write(_ask_engine(sys.argv[1], json.load(sys.stdin)))
