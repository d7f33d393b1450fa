from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil
import pytest

from loopin_deploy.commands import system
from loopin_deploy.data_folder import holder, open_data_folder
from loopin_deploy.demo import Result
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.restarts import RestartPolicy
from loopin_deploy.stack import Plan, Ports
from loopin_deploy.stack_state import STATE_FILE, StackState, read_state
from loopin_deploy.supervisor import Supervisor
from tests.deploy.command_line import Loopin, clean_environment, run_process
from tests.streams.installation import wait_until

FREE = ("--kafka-port", "0", "--api-port", "0", "--worker-port", "0")


class Running(NamedTuple):
    """A system that ``loopin up`` runs as a process, and all processes of it."""

    data: Path
    process: subprocess.Popen[str]
    shown: str
    state: StackState
    family: list[psutil.Process]

    def alive(self) -> list[psutil.Process]:
        """Those of the family that are still there a moment after its head has ended."""
        return psutil.wait_procs(self.family, timeout=60)[1]


def start(data: Path, *arguments: str, **variables: str) -> Running:
    """Run ``loopin up`` until it says that it stays."""
    process = subprocess.Popen(
        [sys.executable, "-m", "loopin_deploy", "up", *FREE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(LOOPIN_DATA_DIR=str(data), PYTHONUNBUFFERED="1", **variables),
    )
    assert process.stdout
    shown = ""
    while "Running until Ctrl-C." not in shown:
        line = process.stdout.readline()
        if not line:
            pytest.fail(process.communicate()[1])
        shown += line
    state = read_state(data)
    assert state
    return Running(data, process, shown, state, psutil.Process(process.pid).children(recursive=True))


def end(running: Running) -> None:
    """After a test that failed half-way."""
    running.process.kill()
    running.process.communicate()
    running.alive()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A system with a broker of its own; the module's last test that asks for it stops it."""
    running = start(tmp_path_factory.mktemp("up") / "data", "--project", "shop", "--project", "x.y_z-1")
    yield running
    end(running)


# What keeps it from starting.


@pytest.mark.parametrize("option", ["--kafka-port", "--api-port", "--worker-port"])
@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_taken_port_is_named(command: str, option: str, loopin: Loopin) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        given = dict(zip(FREE[::2], FREE[1::2], strict=True)) | {option: port}

        sentence = loopin(command, *chain.from_iterable(given.items())).refused()

    assert sentence.startswith(f"Port {port} on 127.0.0.1")
    assert "is taken: stop " in sentence


def test_a_taken_port_is_one_sentence_of_the_process_too(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ran = run_process("up", *FREE, "--api-port", str(port), env={"LOOPIN_DATA_DIR": str(tmp_path)})

    assert ran.refused() == (
        f"Port {port} on 127.0.0.1 is taken: stop what uses it, or choose another with --api-port."
    )
    assert not (tmp_path / STATE_FILE).exists()


def test_missing_java_is_said_with_the_command_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    environment = {"LOOPIN_DATA_DIR": str(tmp_path / "data"), "PATH": str(tmp_path / "bin"), "JAVA_HOME": ""}

    sentence = run_process("up", *FREE, env=environment).refused()

    assert sentence.startswith("Kafka needs Java 17 or newer and none was found: install it (Debian")


def test_secrets_that_others_may_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text("{}")
    (tmp_path / "secrets.json").chmod(0o644)

    sentence = run_process("up", *FREE, env={"LOOPIN_DATA_DIR": str(tmp_path)}).refused()

    assert sentence.startswith(f"Other users may read the secrets in {tmp_path / 'secrets.json'}: run `chmod")


def test_a_folder_that_cannot_be_written_is_named(loopin: Loopin, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    sentence = loopin("up", "--data", tmp_path / "file", *FREE).refused()

    assert sentence.startswith(f"{tmp_path / 'file'} cannot be written (")


def test_a_full_disk_is_said(loopin: Loopin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 2**20))

    assert "has 1 MB left and at least 256 MB are needed: free some space" in loopin("up", *FREE).refused()


def test_a_named_broker_that_does_not_answer_is_said(loopin: Loopin, nobody: str, tmp_path: Path) -> None:
    assert loopin("up", *FREE).refused().startswith(f"No Kafka broker answers at {nobody}")
    assert holder(tmp_path / "data") is None


@pytest.mark.parametrize("project", ["", "a b", "[red]x[/]", "x" * 65, "\x1b[2J"])
def test_a_project_that_cannot_be_is_refused_and_not_kept(
    project: str, loopin: Loopin, tmp_path: Path
) -> None:
    sentence = loopin("up", *FREE, "--project", "shop", "--project", project).refused()

    assert sentence == "The project must be 1 to 64 letters, digits, dots, underscores or dashes."
    assert not (tmp_path / "data" / "secrets.json").exists()


def test_a_wrong_setting_is_said_before_anything_starts(
    loopin: Loopin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYTICS_BATCH_SIZE", "0")

    assert loopin("up", *FREE).refused().startswith("Set ANALYTICS_BATCH_SIZE right")
    assert not (tmp_path / "data" / "kafka" / "kafka.log").exists()


@pytest.mark.kafka
@pytest.mark.scenario
def test_a_role_that_keeps_dying_takes_everything_down_with_its_last_lines(
    loopin: Loopin, broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = functools.partial(
        Supervisor, policy=RestartPolicy(deaths=2, first_delay_s=0.01, window_s=600)
    )
    monkeypatch.setattr("loopin_deploy.stack.Supervisor", impatient)
    monkeypatch.setenv("LOOPIN_CLICKHOUSE_URL", "http://127.0.0.1:1")

    ran = loopin("up", *FREE, "--verbose")

    assert ran.code == 1
    assert "store ended with exit code 1; it is started again in 0.01 s." in ran.err
    assert "Error: store ended with exit code 1, for the 2" in ran.err
    assert ran.err.splitlines()[-1].startswith("  Error: ClickHouse does not answer")
    assert "store   Error: ClickHouse does not answer" in ran.err
    assert "Traceback" not in ran.err
    assert not (tmp_path / "data" / STATE_FILE).exists()


# A system that runs.


@pytest.mark.kafka
@pytest.mark.scenario
def test_it_says_where_everything_is(running: Running) -> None:
    assert f"API      {running.state.api_url} " in running.shown
    assert f"Kafka    {running.state.bootstrap}\n" in running.shown
    assert "Keys of project shop: admin may do everything in it" in running.shown
    assert "Keys of project x.y_z-1: " in running.shown
    assert len(re.findall(r"  (?:admin|ingest) +lp_[wp]_\S{43}_\S{6}\n", running.shown)) == 4
    assert "curl -H 'Authorization: Bearer lp_p_" in running.shown


@pytest.mark.kafka
@pytest.mark.scenario
def test_its_secrets_are_the_users_own(running: Running) -> None:
    for name in ("secrets.json", "keys.json"):
        assert stat.S_IMODE((running.data / name).stat().st_mode) == 0o600
    assert "lp_p_" not in (running.data / "keys.json").read_text()


@pytest.mark.kafka
@pytest.mark.scenario
def test_a_second_up_on_the_folder_is_refused(running: Running, loopin: Loopin) -> None:
    for command in ("up", "demo"):
        sentence = loopin(command, "--data", running.data, *FREE).refused()
        assert sentence == (
            f"The data folder {running.data} is in use by process {running.process.pid}: "
            "stop that one first (`loopin down`) or use another folder."
        )


@pytest.mark.kafka
@pytest.mark.scenario
def test_its_store_is_not_migrated_by_another(running: Running, loopin: Loopin) -> None:
    sentence = loopin("migrate", "--data", running.data).refused()

    assert f"belongs to process {running.process.pid}" in sentence


@pytest.mark.kafka
@pytest.mark.scenario
def test_other_commands_find_it_by_its_folder(running: Running, loopin: Loopin, tmp_path: Path) -> None:
    (tmp_path / "rows.ndjson").write_text('{"event": "", "distinct_id": "u"}\n')
    here = ("--data", running.data)

    assert loopin("topics", "apply", *here).out == "All topics are as the table says.\n"
    assert loopin("kafka", "status", *here).out.startswith(f"Kafka answers at {running.state.bootstrap} ")
    assert "use `loopin down`" in loopin("kafka", "stop", *here).refused()
    assert loopin("replay", tmp_path / "rows.ndjson", "--project", "shop", *here).code == 0
    # Each consumer has to have had a first look.
    wait_until(lambda: loopin("doctor", *here).code == 0, "all is well")


@pytest.mark.kafka
@pytest.mark.scenario
def test_down_stops_it_and_leaves_nothing(running: Running, loopin: Loopin) -> None:
    assert len(running.family) >= 3

    ran = loopin("down", "--data", running.data)

    assert ran == (0, "Stopped.\n", "")
    assert running.process.wait(60) == 0
    assert running.alive() == []
    assert not (running.data / STATE_FILE).exists()
    assert holder(running.data) is None
    assert running.process.stderr
    assert "Traceback" not in running.process.stderr.read()
    assert loopin("down", "--data", running.data) == (0, "Nothing runs on this data folder.\n", "")


@pytest.mark.kafka
@pytest.mark.scenario
def test_ctrl_c_stops_it_and_leaves_a_named_broker_alone(
    kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    broker = {"LOOPIN_KAFKA_BOOTSTRAP": kafka.bootstrap, "LOOPIN_TOPIC_PREFIX": topic_prefix}
    running = start(tmp_path / "data", **broker)
    try:
        os.kill(running.process.pid, signal.SIGINT)
        _, errors = running.process.communicate(timeout=120)

        assert running.process.returncode == 0
        assert running.alive() == []
        assert errors.splitlines()[-1] == "Stopped."
        assert "Traceback" not in errors
        assert not (tmp_path / "data" / STATE_FILE).exists()
        wait_until(lambda: kafka.status().ready, "the broker answers")
    finally:
        end(running)


# The demo's own ends; the whole of it is tested in tests/e2e.


class Demonstration:
    """In the demo's place: gives a result, or is interrupted."""

    def __init__(self, outcome: Result | BaseException) -> None:
        self.outcome = outcome
        self.plans: list[Plan] = []
        self.stays: list[bool] = []
        self.lives: list[bool] = []

    async def __call__(self, plan: Plan, verbose: bool, *, stay: bool, live: bool = False) -> Result:
        self.plans.append(plan)
        self.stays.append(stay)
        self.lives.append(live)
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


def demonstrate(outcome: Result | BaseException, monkeypatch: pytest.MonkeyPatch) -> Demonstration:
    demonstration = Demonstration(outcome)
    monkeypatch.setattr(system, "_demo", demonstration)
    return demonstration


COMPLETE = Result(10, 8, 8, 1, {"duplicate": 1}, 5.0, 1.0, 2.0)


def test_one_run_prints_its_summary_as_json_and_leaves_no_folder(
    loopin: Loopin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    demonstration = demonstrate(COMPLETE, monkeypatch)

    ran = loopin("demo", "--once")

    assert ran.code == 0
    assert json.loads(ran.out.splitlines()[-1]) == msgspec.to_builtins(COMPLETE)
    (plan,) = demonstration.plans
    assert demonstration.stays == [False]
    assert plan.ports == Ports(0, 0, 0)
    assert plan.folder.path.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_one_run_that_does_not_add_up_fails(loopin: Loopin, monkeypatch: pytest.MonkeyPatch) -> None:
    demonstrate(msgspec.structs.replace(COMPLETE, stored=7), monkeypatch)

    ran = loopin("demo", "--once")

    assert ran.code == 1
    assert json.loads(ran.out)["stored"] == 7


def test_one_run_that_was_interrupted_is_no_success(loopin: Loopin, monkeypatch: pytest.MonkeyPatch) -> None:
    demonstrate(asyncio.CancelledError(), monkeypatch)

    assert loopin("demo", "--once") == (130, "", "Stopped.\n")


def test_a_demo_that_stays_uses_the_data_folder(
    loopin: Loopin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demonstration = demonstrate(KeyboardInterrupt(), monkeypatch)

    assert loopin("demo", "--api-port", "8123") == (0, "", "Stopped.\n")
    (plan,) = demonstration.plans
    assert demonstration.stays == [True]
    assert plan.folder.path == tmp_path / "data"
    assert plan.ports == Ports(9092, 8123, 8001)
    assert plan.retention_days == {"shop": 365}
    assert demonstration.lives == [False], "it is no terminal"


@pytest.mark.parametrize(("option", "live"), [("--watch", True), ("--no-watch", False)])
def test_a_demo_goes_on_live_where_it_is_asked_to(
    option: str, live: bool, loopin: Loopin, monkeypatch: pytest.MonkeyPatch
) -> None:
    demonstration = demonstrate(KeyboardInterrupt(), monkeypatch)

    assert loopin("demo", option) == (0, "", "Stopped.\n")
    assert demonstration.lives == [live]


# Stopping.


def test_down_of_a_folder_that_is_not_there_says_so(loopin: Loopin) -> None:
    assert loopin("down") == (0, "Nothing runs on this data folder.\n", "")


def test_down_says_when_it_may_not_or_it_takes_too_long(
    loopin: Loopin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_data_folder(tmp_path / "data"):
        monkeypatch.setattr(os, "kill", _refuse)
        assert "belongs to another user" in loopin("down").refused()
        monkeypatch.setattr(os, "kill", lambda *_: None)
        monkeypatch.setattr(system, "STOP_TIMEOUT_S", 0.01)
        assert f"Process {os.getpid()} has not stopped" in loopin("down").refused()


def test_down_of_a_process_that_ends_by_itself_is_done(
    loopin: Loopin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_data_folder(tmp_path / "data"):
        monkeypatch.setattr(os, "kill", _gone)

        assert loopin("down") == (0, "Stopped.\n", "")


def _refuse(*_: int) -> None:
    raise PermissionError


def _gone(*_: int) -> None:
    raise ProcessLookupError
