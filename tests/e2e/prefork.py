"""The example project under real servers that fork, and what reached the broker in the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

ROOT = Path(__file__).parents[2]
PACKAGES = ("schemas", "producers")
PROJECT = "tests.e2e.django_project"
PARTITIONS = 4
WAIT_S = 300.0


def until(true: Callable[[], object], what: str, within_s: float = WAIT_S) -> None:
    """Wait for it."""
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@dataclass
class Shop:
    """The project with a database, a topic and a spool of its own."""

    folder: Path
    bootstrap: str
    prefix: str

    def __post_init__(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        topic = NewTopic(self.topic, PARTITIONS, 1, config={"message.timestamp.type": "LogAppendTime"})
        admin.create_topics([topic])[self.topic].result(30)
        (self.folder / "queue").mkdir()
        self.run("-m", f"{PROJECT}.manage", "migrate", "--verbosity", "0")

    @property
    def topic(self) -> str:
        return f"{self.prefix}events.raw"

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), *(str(ROOT / name) for name in PACKAGES)]),
            "PYTHONUNBUFFERED": "1",
            "DJANGO_SETTINGS_MODULE": f"{PROJECT}.settings",
            "LOOPIN_KAFKA_BOOTSTRAP": self.bootstrap,
            "LOOPIN_PROJECT": "shop",
            "LOOPIN_TOPIC_PREFIX": self.prefix,
            "LOOPIN_SPOOL_DIR": str(self.folder / "spool"),
            "SHOP_DATABASE": str(self.folder / "shop.sqlite3"),
            "SHOP_QUEUE": str(self.folder / "queue"),
        }

    def run(self, *arguments: str) -> str:
        """Run Python to its end; its output."""
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def server(self, *arguments: str) -> Iterator[Server]:
        """A running server; whatever is left of it at the end is killed."""
        log = self.folder / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        try:
            yield Server(process, log)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def events(self) -> list[dict[str, Any]]:
        """All that was published, once everybody who publishes has ended."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "unused"})
        places = [TopicPartition(self.topic, partition) for partition in range(PARTITIONS)]
        ends = {one.partition: consumer.get_watermark_offsets(one, 30)[1] for one in places}
        consumer.assign([TopicPartition(self.topic, partition, 0) for partition in range(PARTITIONS)])
        found: list[dict[str, Any]] = []
        deadline = time.monotonic() + WAIT_S
        while len(found) < sum(ends.values()) and time.monotonic() < deadline:
            records = consumer.consume(1000, 0.2)
            assert not [record.error() for record in records if record.error()]
            found += [json.loads(record.value() or b"") for record in records]
        consumer.close()
        assert len(found) == sum(ends.values())
        return found


class Server:
    """A server's first process."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def end(self) -> int:
        """Ask it to end in good order, as a deployment does; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WAIT_S)

    def pids(self, url: str, other_than: Sequence[int] = ()) -> set[int]:
        """Two processes that answer, once none of those others does any more."""
        found: list[int] = []

        def two_answer() -> bool:
            assert self.process.poll() is None, self.log
            try:
                found.append(int(httpx.get(f"{url}/health/", timeout=30).text))
            except httpx.TransportError:
                return False
            recent = found[-20:]
            return len(set(recent)) >= 2 and not set(recent) & set(other_than)

        until(two_answer, f"two workers\n{self.log}")
        return set(found[-20:])
