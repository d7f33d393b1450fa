from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from loopin_deploy.kafka import BrokerStatus, LocalKafka
from loopin_deploy.ports import free_port
from tests.deploy.command_line import Loopin, run_process


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "data"
    yield folder
    LocalKafka(folder / "kafka").stop()


@pytest.mark.kafka
def test_a_broker_that_a_command_started_stays_until_another_stops_it(loopin: Loopin, data: Path) -> None:
    port = free_port()
    started = run_process("kafka", "start", "--port", str(port), env={"LOOPIN_DATA_DIR": str(data)})
    try:
        assert started.code == 0, started
        again = loopin("kafka", "start", "--port", str(port))
        status = loopin("kafka", "status")
        elsewhere = loopin("kafka", "start", "--port", str(free_port()))
        logs = loopin("kafka", "logs", "--lines", "500")
        topics = loopin("kafka", "logs", "--lines", "2")
    finally:
        stopped = loopin("kafka", "stop")

    assert started.out.startswith(f"Kafka answers at 127.0.0.1:{port} (process ")
    assert again == status == started
    assert f"Kafka already runs on {data / 'kafka'} with port {port}" in elsewhere.refused()
    assert "Kafka Server started" in logs.out
    assert len(topics.out.splitlines()) == 2
    assert stopped == (0, "Kafka stopped.\n", "")
    pid = int(started.out.split("process ")[1].split(")")[0])
    assert not psutil.pid_exists(pid)
    assert loopin("kafka", "status") == (1, "Kafka is not running.\n", "")


def test_what_does_not_run_can_be_asked_about(loopin: Loopin) -> None:
    assert loopin("kafka", "status") == (1, "Kafka is not running.\n", "")
    assert loopin("kafka", "stop") == (0, "Kafka was not running.\n", "")
    assert loopin("kafka", "logs") == (0, "", "")


def test_the_log_is_shown_as_it_is(loopin: Loopin, data: Path) -> None:
    (data / "kafka").mkdir(parents=True)
    (data / "kafka" / "kafka.log").write_text("one\n[red]two[/x] :boom:\n\tat a.b\x1b[2J\n")

    ran = loopin("kafka", "logs", "--lines", "2")

    assert ran.out == "[red]two[/x] :boom:\n        at a.b\\x1b[2J\n"


@pytest.mark.parametrize(
    ("arguments", "option"),
    [
        (["start", "--port", "65536"], "--port"),
        (["start", "--port", "-1"], "--port"),
        (["logs", "--lines", "0"], "--lines"),
    ],
)
def test_a_number_that_cannot_be_is_refused(arguments: list[str], option: str, loopin: Loopin) -> None:
    ran = loopin("kafka", *arguments)

    assert ran.code == 2
    assert option in ran.err


def test_a_folder_that_cannot_be_made_is_named(loopin: Loopin, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    sentence = loopin("kafka", "start", "--data", tmp_path / "file").refused()

    assert sentence.startswith(f"{tmp_path / 'file' / 'kafka'} cannot be written")


def test_a_taken_port_is_said(loopin: Loopin, data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sentence = loopin("kafka", "start", "--port", str(port)).refused()

    assert sentence.startswith(f"Port {port} on 127.0.0.1, where Kafka should listen, is taken")


def test_the_broker_of_a_running_system_is_not_stopped(loopin: Loopin, data: Path) -> None:
    code = f"""
from pathlib import Path
from loopin_deploy.data_folder import open_data_folder
with open_data_folder(Path({str(data)!r})):
    print("open", flush=True); input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "open\n"

        sentence = loopin("kafka", "stop").refused()

        other.kill()
    assert sentence == f"`loopin up` runs here as process {other.pid}: use `loopin down`."
    assert other.pid != os.getpid()


def test_a_broker_that_hangs_is_told_apart(
    loopin: Loopin, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = BrokerStatus(running=True, ready=False, pid=17, port=1, data_dir=data)
    monkeypatch.setattr(LocalKafka, "status", lambda _: hanging)

    assert loopin("kafka", "status") == (1, "Kafka runs as process 17 but does not answer.\n", "")
