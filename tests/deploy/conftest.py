"""The command line in this process, apart from the environment that the tests run in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import loopin_deploy.screen  # noqa: F401 (a terminal takes its width from COLUMNS for ever if made later)
from loopin_deploy.cli import main
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from tests.deploy.command_line import OURS, Loopin, Ran
from tests.deploy.role_server import Role, serving


@pytest.fixture
def loopin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Loopin:
    """``loopin("topics", "list")``; the data folder is ``tmp_path/data``, the terminal 200 columns wide."""
    for name in [name for name in os.environ if name.startswith(OURS) and name != "LOOPIN_CACHE"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LOOPIN_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LOOPIN_HOST_METRICS_INTERVAL_S", "0")
    monkeypatch.setenv("COLUMNS", "200")
    # The test run's own log handlers stay.
    monkeypatch.setattr("loopin_deploy.roles.configure_logs", lambda: None)

    def run(*arguments: str | Path) -> Ran:
        monkeypatch.setattr(sys, "argv", ["loopin", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 0
        written = capsys.readouterr()
        return Ran(code, written.out, written.err)

    return run


@pytest.fixture
def broker(kafka: LocalKafka, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, loopin: Loopin) -> str:
    """The session's broker for ``loopin``, with topics of the test's own; its address."""
    monkeypatch.setenv("LOOPIN_KAFKA_BOOTSTRAP", kafka.bootstrap)
    monkeypatch.setenv("LOOPIN_TOPIC_PREFIX", topic_prefix)
    monkeypatch.setenv("LOOPIN_PARTITIONS", "2")
    return kafka.bootstrap


@pytest.fixture
def role(monkeypatch: pytest.MonkeyPatch) -> Iterator[Role]:
    """A role that answers as the test tells it."""
    # A proxy that nobody listens at must not come between.
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    with serving() as role:
        yield role


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, loopin: Loopin) -> str:
    """An address at which no broker answers, which ``loopin`` is told to use and soon gives up on."""
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("LOOPIN_KAFKA_BOOTSTRAP", address)
    monkeypatch.setattr("loopin_streams.kafka.topic_admin.TIMEOUT_S", 0.3)
    return address
