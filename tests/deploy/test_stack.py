from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loopin_deploy import supervisor
from loopin_deploy.child import Child
from loopin_deploy.data_folder import DataFolder, open_data_folder
from loopin_deploy.errors import DeployError
from loopin_deploy.kafka import BrokerStatus, LocalKafka
from loopin_deploy.stack import Plan, Ports, running_stack
from loopin_deploy.stack_state import STATE_FILE, StackState, read_state
from loopin_deploy.supervisor import Supervisor
from loopin_schemas.errors import InvalidEvent
from loopin_streams.kafka.topic_admin import TopicAdmin

FREE = Ports(0, 0, 0)


class Recorder:
    """In the supervisor's place: starts nothing and keeps what it was given."""

    children: Sequence[Child] = ()
    entered = False

    def __init__(self, children: Sequence[Child], log_dir: Path, **_: Any) -> None:
        Recorder.children, Recorder.entered = children, False

    async def __aenter__(self) -> Recorder:
        Recorder.entered = True
        return self

    async def __aexit__(self, *_: object) -> None:
        Recorder.entered = False


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[DataFolder]:
    with open_data_folder(tmp_path / "data") as folder:
        yield folder


def address_of(admin: TopicAdmin) -> str:
    return admin._settings.kafka_bootstrap


@pytest.fixture(autouse=True)
def applied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where topics were applied; neither processes nor topics are real here."""
    addresses: list[str] = []
    monkeypatch.setattr("loopin_deploy.stack.Supervisor", Recorder)
    monkeypatch.setattr(TopicAdmin, "apply", lambda admin: addresses.append(address_of(admin)))
    monkeypatch.delenv("LOOPIN_KAFKA_BOOTSTRAP", raising=False)
    return addresses


async def started(plan: Plan) -> StackState:
    """The state of a stack that was entered and left."""
    async with running_stack(plan, on_line=lambda *_: None, on_notice=print) as stack:
        assert Recorder.entered
        assert read_state(plan.folder.path) == stack.state
        state = stack.state
    assert read_state(plan.folder.path) is None
    return state


async def test_a_named_broker_is_used_and_given_its_topics_first(
    folder: DataFolder, applied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_KAFKA_BOOTSTRAP", "broker:9092")

    state = await started(Plan(folder, FREE))

    assert state.bootstrap == "broker:9092"
    assert applied == ["broker:9092"]
    assert "LOOPIN_HOST_METRICS_INTERVAL_S" not in Recorder.children[0].env
    assert [child.name for child in Recorder.children] == ["store", "stream", "trainer"]
    assert [child.ready for child in Recorder.children] == [
        f"{state.api_url}/readyz?exclude=lag&exclude=refused",
        f"{state.worker_url}/readyz?exclude=lag&exclude=refused",
        f"{state.trainer_url}/readyz?exclude=lag&exclude=refused",
    ]


ROLE = f"""#!{sys.executable}
import asyncio, os, pathlib, sys
from prometheus_client import CollectorRegistry
from loopin_streams.health import health_server

REFUSAL = "Partition 1 is refused: the log has lost records."

def opening():
    return None if pathlib.Path(__file__ + ".opened").exists() else "partitions are being opened: 0, 1"

async def main():
    stream = sys.argv[-1] == "stream"
    port = os.environ["LOOPIN_API_PORT" if sys.argv[-1] == "store" else "LOOPIN_HEALTH_PORT"]
    checks = {{"partitions": lambda: None, "refused": lambda: None, "lag": lambda: "It is behind."}}
    if stream:
        checks |= {{"partitions": opening, "refused": lambda: REFUSAL if opening() is None else None}}
    async with health_server("127.0.0.1", int(port), CollectorRegistry(), checks):
        await asyncio.Event().wait()

asyncio.run(main())
"""
"""In the place of ``python -m loopin_deploy run ROLE``: a worker that opens partitions until there is a file
beside it, and refuses one."""


async def test_opening_is_waited_for_and_what_is_refused_is_said_and_passed_over(
    folder: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_KAFKA_BOOTSTRAP", "broker:9092")
    monkeypatch.setattr("loopin_deploy.stack.Supervisor", Supervisor)
    monkeypatch.setattr(supervisor, "_PATIENCE_S", 0.2)
    program, opened = tmp_path / "role", tmp_path / "role.opened"
    program.write_text(ROLE)
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    notices: list[str] = []

    def hear(notice: str) -> None:
        notices.append(notice)
        if "opened" in notice:
            opened.touch()

    async with running_stack(Plan(folder, FREE), on_line=print, on_notice=hear) as stack:
        assert opened.exists(), "it counts as started once what it does not refuse is open"
        assert stack.supervisor.pids.keys() == {"store", "stream", "trainer"}

    assert notices == [
        "Waiting for stream: partitions are being opened: 0, 1",
        "stream: Partition 1 is refused: the log has lost records.",
    ]


async def test_the_roles_get_their_settings_by_their_environment(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_KAFKA_BOOTSTRAP", "broker:9092")

    state = await started(Plan(folder, FREE, ("shop",), {"shop": 365}, host_metrics=False))

    environment, *others = (child.env for child in Recorder.children)
    assert environment["LOOPIN_DATA_DIR"] == str(folder.path)
    assert environment["LOOPIN_KAFKA_BOOTSTRAP"] == "broker:9092"
    assert state.api_url == f"http://127.0.0.1:{environment['LOOPIN_API_PORT']}"
    assert state.worker_url == f"http://127.0.0.1:{environment['LOOPIN_HEALTH_PORT']}"
    assert json.loads(environment["LOOPIN_PROJECT_RETENTION_DAYS"]) == {"shop": 365}
    assert environment["LOOPIN_HOST_METRICS_INTERVAL_S"] == "0"
    assert environment["LOOPIN_KEYS_FILE"] == str(folder.path / "keys.json")
    assert environment["LOOPIN_JWT_SECRET"] in folder.secrets.read_text()
    health_port = state.trainer_url.rpartition(":")[2]
    assert others == [environment, {**environment, "LOOPIN_HEALTH_PORT": health_port}]


async def test_a_retention_of_the_environment_is_left_to_the_roles(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOPIN_KAFKA_BOOTSTRAP", "broker:9092")
    monkeypatch.setenv("LOOPIN_PROJECT_RETENTION_DAYS", '{"default": 30}')

    await started(Plan(folder, FREE))

    assert "LOOPIN_PROJECT_RETENTION_DAYS" not in Recorder.children[0].env


async def test_a_broker_that_runs_by_itself_is_used_and_not_supervised(
    folder: DataFolder, applied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: LocalKafka) -> list[str]:
        raise DeployError("kafka_already_running", "port", "It runs.")

    monkeypatch.setattr(LocalKafka, "prepare", refuse)
    monkeypatch.setattr(LocalKafka, "status", lambda _: BrokerStatus(True, True, 1, 4711, folder.kafka))

    state = await started(Plan(folder, FREE))

    assert state.bootstrap == "127.0.0.1:4711"
    assert applied == ["127.0.0.1:4711"]
    assert [child.name for child in Recorder.children] == ["store", "stream", "trainer"]


async def test_a_broker_that_cannot_be_prepared_is_told(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: LocalKafka) -> list[str]:
        raise DeployError("java_missing", "java", "Install Java.")

    monkeypatch.setattr(LocalKafka, "prepare", refuse)

    with pytest.raises(DeployError, match=r"Install Java\."):
        await started(Plan(folder, FREE))


async def test_an_own_broker_is_ready_once_it_has_its_topics(
    folder: DataFolder, applied: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, True])
    monkeypatch.setattr(LocalKafka, "prepare", lambda _: ["java"])
    monkeypatch.setattr(LocalKafka, "bootstrap", "127.0.0.1:4711")
    monkeypatch.setattr(LocalKafka, "ready", lambda _: next(answers))

    await started(Plan(folder, FREE))

    broker = Recorder.children[0]
    assert (broker.name, broker.guarded, broker.cwd) == ("kafka", True, folder.kafka)
    assert callable(broker.ready)
    assert (broker.ready(), applied) == (False, [])
    assert (broker.ready(), applied) == (True, ["127.0.0.1:4711"])


async def test_a_wrong_project_is_refused_before_keys_are_made(folder: DataFolder) -> None:
    with pytest.raises(InvalidEvent, match="The project must be"):
        await started(Plan(folder, FREE, ("shop", "a b")))

    assert not folder.secrets.exists()


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"pid": "x"}', b"\xff"])
def test_a_state_that_is_none_is_none(content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / STATE_FILE).write_bytes(content)

    assert read_state(tmp_path) is None


def test_a_state_is_read_back(tmp_path: Path) -> None:
    state = StackState(1, "a:1", "http://a:2", "http://a:3")
    (tmp_path / STATE_FILE).write_bytes(msgspec.json.encode(state))

    assert read_state(tmp_path) == state
    assert read_state(tmp_path / STATE_FILE) is None
