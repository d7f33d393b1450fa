"""The whole system, for tests that send it something and look for it in the store."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from loopin_api.auth import hash_key, issue_jwt
from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from tests.deploy.command_line import clean_environment, run_process
from tests.plain_http import ask

SECRET = "a secret of the tests, thirty-two bytes"
WRITE_KEY = "lk_a_write_key_of_the_tests"
PROJECT = "shop"
DEADLINE_S = 300.0
MARK = "everything_before_is_stored"

Row = dict[str, Any]


class Receiving(NamedTuple):
    """A running system: where its API answers, and its processes."""

    url: str
    processes: Sequence[subprocess.Popen[str]]

    def rows(self, distinct_ids: Sequence[str], count: int) -> list[Row]:
        """The stored events of these users, by user and time: once there are as many, and all the system has
        received of them by then is stored, so that one too many is seen.
        """
        self._stored(distinct_ids, lambda rows: len(_others(rows)) >= count)
        last = {self._mark(each) for each in distinct_ids}
        # A mark takes its user's way, behind all that this user sent before.
        rows = self._stored(distinct_ids, lambda rows: last <= {row["uuid"] for row in rows})
        return sorted(_others(rows), key=lambda row: (row["distinct_id"], row["timestamp"], row["event"]))

    def _stored(self, distinct_ids: Sequence[str], enough: Callable[[list[Row]], bool]) -> list[Row]:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            rows = [row for row in self._exported() if row["distinct_id"] in distinct_ids]
            if enough(rows):
                return rows
            assert time.monotonic() < deadline, [(row["distinct_id"], row["event"]) for row in rows]
            time.sleep(0.1)

    def _mark(self, distinct_id: str) -> str:
        """Send an event of the user's that no test counts; its uuid."""
        mark = str(uuid.uuid4())
        event = {"event": MARK, "distinct_id": distinct_id, "uuid": mark}
        status, text = ask(
            f"{self.url}/api/analytics/events/batch", token=WRITE_KEY, body={"events": [event]}
        )
        assert status == 200, text
        assert json.loads(text)["data"]["receipts"][0]["result"] == "ok", text
        return mark

    def _exported(self) -> list[Row]:
        status, text = read(f"{self.url}/api/analytics/export/events?format=ndjson&days=2")
        assert status == 200, text
        return [json.loads(line) for line in text.splitlines()]


def _others(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row["event"] != MARK]


def read(url: str) -> tuple[int, str]:
    """Status and text of the answer to a reader of the project."""
    return ask(url, token=issue_jwt(SECRET, sub="reader", project=PROJECT, scopes=["read"], ttl_s=60))


@contextmanager
def receiving(kafka: LocalKafka, folder: Path, **settings: str) -> Iterator[Receiving]:
    """The roles ``stream`` and ``store`` on topics of their own, ready, until the end of the block."""
    keys = [{"name": "web", "project": PROJECT, "scopes": ["ingest"], "sha256": hash_key(WRITE_KEY)}]
    keys_file = folder / "keys.json"
    keys_file.write_text(json.dumps(keys))
    common = {
        "LOOPIN_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "LOOPIN_TOPIC_PREFIX": f"t{uuid.uuid4().hex[:12]}.",
        "LOOPIN_PARTITIONS": "2",
        "LOOPIN_DATA_DIR": str(folder / "data"),
        "LOOPIN_HOST_METRICS_INTERVAL_S": "0",
        "LOOPIN_INSERT_INTERVAL_S": "0.1",
    }
    ran = run_process("topics", "apply", env=common)
    assert ran.code == 0, ran
    health, api = free_port(), free_port()
    with ExitStack() as cleanup:
        processes = [
            _role(cleanup, "stream", {**common, "LOOPIN_HEALTH_PORT": str(health)}, folder),
            _role(
                cleanup,
                "store",
                {
                    **common,
                    "LOOPIN_API_PORT": str(api),
                    "LOOPIN_JWT_SECRET": SECRET,
                    "LOOPIN_KEYS_FILE": str(keys_file),
                    **settings,
                },
                folder,
            ),
        ]
        for process, port in zip(processes, (health, api), strict=True):
            _wait_ready(process, f"http://127.0.0.1:{port}/readyz")
        yield Receiving(f"http://127.0.0.1:{api}", processes)


def _role(
    cleanup: ExitStack, name: str, environment: Mapping[str, str], folder: Path
) -> subprocess.Popen[str]:
    log = cleanup.enter_context((folder / f"{name}.log").open("w"))
    process = subprocess.Popen(
        [sys.executable, "-m", "loopin_deploy", "run", name],
        stdout=log,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment(**environment),
    )
    cleanup.enter_context(process)
    cleanup.callback(process.terminate)
    return process


def _wait_ready(process: subprocess.Popen[str], url: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while (answer := read(url))[0] != 200:
        assert process.poll() is None, answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.05)
