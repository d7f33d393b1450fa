"""The system as it runs in production: each role a process of its own, on a broker and a store elsewhere."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from loopin_api.auth import Scope, issue_jwt
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from tests.clickhouse import PASSWORD, USER, clickhouse_server
from tests.deploy.command_line import clean_environment, run_process
from tests.plain_http import ask

SECRET = "a secret of the tests, thirty-two bytes"
DEADLINE_S = 300.0


class Role(NamedTuple):
    """One role's process, where it listens, and its settings."""

    process: subprocess.Popen[str]
    url: str
    environment: dict[str, str]


@pytest.fixture
def installation(kafka: LocalKafka, topic_prefix: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of an installation whose topics and tables are made, by the commands that make them."""
    with clickhouse_server(tmp_path / "server") as clickhouse:
        environment = {
            "LOOPIN_KAFKA_BOOTSTRAP": kafka.bootstrap,
            "LOOPIN_TOPIC_PREFIX": topic_prefix,
            "LOOPIN_PARTITIONS": "2",
            "LOOPIN_CLICKHOUSE_URL": f"http://127.0.0.1:{clickhouse.server_port}",
            "LOOPIN_CLICKHOUSE_USER": USER,
            "LOOPIN_CLICKHOUSE_PASSWORD": PASSWORD,
            "LOOPIN_DATA_DIR": str(tmp_path / "data"),
            "LOOPIN_HOST_METRICS_INTERVAL_S": "0",
            "LOOPIN_INSERT_INTERVAL_S": "0.1",
        }
        for command in (("topics", "apply"), ("migrate",)):
            ran = run_process(*command, env=environment)
            assert ran.code == 0, ran
        yield environment


@pytest.fixture
def roles(installation: dict[str, str]) -> Iterator[dict[str, Role]]:
    """``stream``, ``sink`` and ``api``, started at once."""
    started: dict[str, Role] = {}
    with ExitStack() as cleanup:
        for name in ("stream", "sink", "api"):
            port = free_port()
            environment = {
                **installation,
                "LOOPIN_API_PORT" if name == "api" else "LOOPIN_HEALTH_PORT": str(port),
                **({"LOOPIN_JWT_SECRET": SECRET} if name == "api" else {}),
            }
            process = subprocess.Popen(
                [sys.executable, "-m", "loopin_deploy", "run", name],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=clean_environment(**environment),
            )
            cleanup.enter_context(process)
            cleanup.callback(process.kill)
            started[name] = Role(process, f"http://127.0.0.1:{port}", environment)
        yield started


def ask_as_user(url: str, body: dict[str, Any] | None = None, *scopes: Scope) -> tuple[int, str]:
    """Status and text of the answer to a user of the project."""
    token = issue_jwt(SECRET, sub="user-7", project="shop", scopes=scopes, ttl_s=60)
    return ask(url, token=token, body=body)


def wait_ready(role: Role) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (answer := ask_as_user(f"{role.url}/readyz"))[0] != 200:
        assert role.process.poll() is None, role.process.communicate()[0]
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)


def test_an_event_passes_three_processes_and_each_ends_in_order(roles: dict[str, Role]) -> None:
    for role in roles.values():
        wait_ready(role)
        assert ask_as_user(f"{role.url}/healthz")[0] == 200
        assert "loopin_" in ask_as_user(f"{role.url}/metrics", None, "read")[1]
    api = roles["api"].url
    event = {"event_name": "event_reviewed", "metadata": {"text": "What a great evening!", "price": 12.5}}

    status, answer = ask_as_user(f"{api}/api/analytics/events/track", event, "ingest")

    assert status == 200, answer
    tracked = json.loads(answer)["data"]["uuid"]
    row = _exported(api)
    assert (row["uuid"], row["event"], row["distinct_id"]) == (tracked, "event_reviewed", "user-7")
    assert row["sentiment_label"] == "positive"
    health = _healthy(api)
    assert health["components"].keys() == {"api", "store", "configuration", "stream", "sink"}
    _second_is_refused("sink", roles["sink"])
    for role in roles.values():
        role.process.send_signal(signal.SIGTERM)
    for name, role in roles.items():
        said, _ = role.process.communicate(timeout=120)
        assert role.process.returncode == 0, (name, said)
        assert "Traceback" not in said, (name, said)


def test_an_api_without_secrets_takes_the_keys_that_are_made_and_revoked_while_it_runs(
    kafka: LocalKafka, topic_prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    environment = {
        "LOOPIN_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "LOOPIN_TOPIC_PREFIX": topic_prefix,
        # Nobody: what is sent goes to the broker.
        "LOOPIN_CLICKHOUSE_URL": f"http://127.0.0.1:{free_port()}",
        "LOOPIN_DATA_DIR": str(tmp_path / "data"),
        "LOOPIN_HOST_METRICS_INTERVAL_S": "0",
        "LOOPIN_API_PORT": str(port),
    }
    assert run_process("topics", "apply", env=environment).code == 0
    with ExitStack() as cleanup:
        command = [sys.executable, "-m", "loopin_deploy", "run", "api"]
        process = cleanup.enter_context(subprocess.Popen(command, env=clean_environment(**environment)))
        cleanup.callback(process.kill)
        made = run_process("keys", "create", "--project", "shop", "--kind", "write", env=environment)
        assert made.code == 0, made
        key = made.out.strip()
        event = {"event_name": "click", "user_id": "user-7"}
        track = f"http://127.0.0.1:{port}/api/analytics/events/track"

        _until(lambda: ask(track, token=key, body=event)[0] == 200, "the key is taken")
        assert ask(f"http://127.0.0.1:{port}/metrics", token=key)[0] == 403
        revoked = run_process("keys", "revoke", key, env=environment)
        assert revoked.code == 0, revoked
        _until(lambda: ask(track, token=key, body=event)[0] == 401, "the key is refused")
        assert json.loads(ask(track, token=key, body=event)[1])["error_code"] == "KEY_REVOKED"
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def _healthy(api: str) -> dict[str, Any]:
    """What health says once every consumer has been looked at."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        health = json.loads(ask_as_user(f"{api}/api/analytics/health")[1])["data"]
        if health["status"] == "ok":
            return dict(health)
        assert time.monotonic() < deadline, health
        time.sleep(0.1)


def _second_is_refused(name: str, role: Role) -> None:
    ran = run_process("run", name, env=role.environment)

    assert ran.code == 1
    assert "Traceback" not in ran.err
    (sentence,) = [line for line in ran.err.splitlines() if line.startswith("Error: ")]
    assert sentence.endswith("set LOOPIN_HEALTH_PORT to another one.")


def _exported(api: str) -> dict[str, Any]:
    """The one stored event, once it is there."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        status, text = ask_as_user(f"{api}/api/analytics/export/events?format=ndjson&days=2", None, "read")
        assert status == 200, text
        if rows := [json.loads(line) for line in text.splitlines()]:
            (row,) = rows
            return dict(row)
        assert time.monotonic() < deadline
        time.sleep(0.1)
