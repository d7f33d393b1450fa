"""The server as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clickhouse import PASSWORD, USER, ClickHouseProcess, Down, Slow


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ClickHouseProcess]:
    with ClickHouseProcess(tmp_path / "folder") as process:
        yield process


def ask(process: ClickHouseProcess, sql: str) -> str:
    request = urllib.request.Request(process.url, sql.encode(), {"X-ClickHouse-User": USER}, method="POST")
    # http.client writes headers as Latin-1.
    request.add_header("X-ClickHouse-Key", PASSWORD.encode().decode("latin-1"))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=30) as answer:
        return str(answer.read().decode())


def test_its_first_line_is_its_url_and_sigterm_ends_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.clickhouse", "--port", "0", "--folder", str(tmp_path / "folder")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"{url}/ping", timeout=30) as answer:
            assert answer.read() == b"Ok.\n"
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        assert server.stdout.read() == ""


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_was_acknowledged_outlives_its_end(process: ClickHouseProcess, how: str) -> None:
    url = process.url
    ask(process, "CREATE TABLE kept (n Int64) ENGINE = MergeTree ORDER BY n")
    for number in range(20):
        ask(process, f"INSERT INTO kept FORMAT TSV\n{number}\n")
    getattr(process, how)()
    with pytest.raises(urllib.error.URLError):
        ask(process, "SELECT 1")
    process.start()
    assert process.url == url
    assert ask(process, "SELECT count(), sum(n) FROM kept") == "20\t190\n"


def test_a_stop_lets_a_running_query_end(process: ClickHouseProcess) -> None:
    process.add_fault(Slow(factor=1.0, times=1))
    answers: list[str] = []
    running = threading.Thread(target=lambda: answers.append(ask(process, "SELECT sleep(1)")))
    running.start()
    while process.faults_left():
        pass
    process.stop()
    running.join()
    assert answers == ["0\n"]


def test_faults_are_set_and_removed(process: ClickHouseProcess) -> None:
    process.add_fault(Down())
    assert process.faults_left() == [Down()]
    with pytest.raises(ConnectionResetError):
        ask(process, "SELECT 1")
    process.clear_faults()
    assert ask(process, "SELECT 1") == "1\n"


def test_a_second_one_on_the_same_folder_is_refused(process: ClickHouseProcess, tmp_path: Path) -> None:
    second = ClickHouseProcess(tmp_path / "folder")
    with pytest.raises(RuntimeError, match="did not start"):
        second.start()
    assert ask(process, "SELECT 1") == "1\n"
