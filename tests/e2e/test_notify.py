"""Alerts reach channels from a role of its own, and from the one process that stores and serves."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from loopin_api.auth import issue_jwt
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from loopin_schemas.codec import encode
from tests.deploy.command_line import clean_environment, run_process
from tests.plain_http import ask
from tests.sinks.notify.told import SECRET, Receiver, alert, receiving
from tests.transactions import Out, Transactions

JWT_SECRET = "a secret of the tests, thirty-two bytes"
DEADLINE_S = 300.0
TOKEN = issue_jwt(JWT_SECRET, sub="user-7", project="shop", scopes=("read",), ttl_s=3600)


class Running(NamedTuple):
    """A role's process, and where it listens."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str) -> tuple[int, str]:
        return ask(f"{self.url}{path}", token=TOKEN)

    def wait(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline, self.get("/readyz")
            time.sleep(0.05)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture(params=["notify", "store"])
def role(
    request: pytest.FixtureRequest, kafka: LocalKafka, topic_prefix: str, tmp_path: Path, receiver: Receiver
) -> Iterator[Running]:
    file = tmp_path / "notify.json"
    hook = {"url": f"webhook+http://{receiver.address}/hook", "secret": SECRET}
    file.write_text(json.dumps({"channels": {"ops": hook}}))
    file.chmod(0o600)
    port = str(free_port())
    environment = {
        "LOOPIN_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "LOOPIN_TOPIC_PREFIX": topic_prefix,
        "LOOPIN_PARTITIONS": "1",
        "LOOPIN_DATA_DIR": str(tmp_path / "data"),
        "LOOPIN_NOTIFY_FILE": str(file),
        "LOOPIN_JWT_SECRET": JWT_SECRET,
        "LOOPIN_API_PORT": port,
        "LOOPIN_HEALTH_PORT": port,
    }
    assert run_process("topics", "apply", env=environment).code == 0
    with subprocess.Popen(
        [sys.executable, "-m", "loopin_deploy", "run", request.param],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(**environment),
    ) as process:
        try:
            yield Running(process, f"http://127.0.0.1:{port}")
        finally:
            process.kill()


def test_an_alert_reaches_its_channel_and_is_counted(
    role: Running, receiver: Receiver, kafka: LocalKafka, topic_prefix: str
) -> None:
    role.wait(lambda: role.get("/readyz?exclude=lag")[0] == 200)
    writer = Transactions(kafka.bootstrap, f"{topic_prefix}writer")
    writer.write([Out(f"{topic_prefix}alerts", 0, b"shop:payment_failures", encode(alert()))])

    role.wait(lambda: receiver.requests)

    assert json.loads(receiver.requests[0].body)["id"] == alert().id
    delivered = 'loopin_notifications_total{channel="ops",outcome="delivered"} 1.0'
    role.wait(lambda: delivered in role.get("/metrics")[1])
    metrics = role.get("/metrics")[1]
    assert 'loopin_notifications_total{channel="ops",outcome="failed"} 0.0' in metrics
    assert 'loopin_notifications_waiting{channel="ops"} 0.0' in metrics
    assert metrics.count("# TYPE loopin_notifications_total counter") == 1
    role.process.send_signal(signal.SIGTERM)
    said = role.process.communicate(timeout=DEADLINE_S)[0]
    assert role.process.returncode == 0, said
    assert "Traceback" not in said
    assert SECRET not in said
    assert receiver.address not in said
