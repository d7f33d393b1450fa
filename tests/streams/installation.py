"""An installation on the real broker: its topics, its workers as processes, and what a plain reader finds.

The readers here are confluent-kafka's and decode plain JSON, so they share nothing with the code they judge.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from loopin_streams.settings import StreamSettings

DEADLINE_S = 60.0


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Return once the condition holds; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.02)


class Nursery:
    """The process that forks workers (``killable_worker.py``)."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("killable_worker.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._orders: IO[str] = self._process.stdin
        self._answers: IO[str] = self._process.stdout
        self._asking = threading.Lock()

    def ask(self, order: dict[str, Any]) -> Any:
        with self._asking:
            self._orders.write(json.dumps(order) + "\n")
            self._orders.flush()
            return json.loads(self._answers.readline())

    def close(self) -> None:
        self._orders.close()
        self._answers.close()
        self._process.terminate()
        self._process.wait(10)


@dataclass
class Worker:
    """One worker process."""

    nursery: Nursery
    pid: int
    log: Path
    code: int | None = None

    @property
    def ended(self) -> bool:
        if self.code is None:
            self.code = self.nursery.ask({"poll": self.pid})
        return self.code is not None

    def wait(self, seconds: float = DEADLINE_S) -> int:
        """Its exit code, negative for a signal."""
        wait_until(lambda: self.ended, f"worker {self.pid} has ended; its log:\n{self.said()}", seconds)
        assert self.code is not None
        return self.code

    def send(self, signal_number: int) -> None:
        os.kill(self.pid, signal_number)

    def terminate(self) -> int:
        """Tell it to stop, as a supervisor does; its exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    def said(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    @property
    def stopped(self) -> bool:
        """Whether SIGSTOP holds it."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return "State:\tT" in status

    def opened(self) -> int:
        """How many partitions it has opened so far."""
        return self.said().count("partition_open")


@dataclass
class Found:
    """All committed records of an installation, by partition; ``state`` holds the markers in order."""

    raw: list[list[Message]]
    enriched: list[list[dict[str, Any]]]
    dlq: list[list[dict[str, Any]]]
    state: list[list[dict[str, Any]]]
    seen: list[list[bytes]]


@dataclass
class Installation:
    """Topics under one prefix, and the workers started on them."""

    settings: StreamSettings
    nursery: Nursery
    folder: Path
    workers: list[Worker] = field(default_factory=list)

    # What clients do.

    def publish(self, bodies: Sequence[tuple[str, bytes]]) -> None:
        """Publish (user, body) pairs in order; a user's stay in one partition."""
        producer = Producer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "linger.ms": 1,
            }
        )
        for user, body in bodies:
            producer.produce(self.settings.topic("events.raw"), key=f"demo:{user}", value=body)
        assert producer.flush(20) == 0

    # Workers.

    def start(
        self,
        *,
        point: str | None = None,
        passing: int = 1,
        signal_name: str = "SIGKILL",
        **limits: float,
    ) -> Worker:
        """A worker process; the probe sends ``signal_name`` at the ``passing``-th passing of ``point``."""
        log = self.folder / f"worker{len(self.workers)}.log"
        order = {
            "settings": self.settings.model_dump(),
            "log": str(log),
            "point": point,
            "passing": passing,
            "signal": signal_name,
            "limits": {"max_events": 100, "linger_s": 0.01} | limits,
        }
        worker = Worker(self.nursery, self.nursery.ask({"start": order}), log)
        self.workers.append(worker)
        return worker

    def close(self) -> None:
        for worker in self.workers:
            if not worker.ended:
                worker.send(signal.SIGKILL)
                worker.wait()

    # What a plain reader finds.

    def read(self, topic: str) -> list[list[Message]]:
        """Every committed record of a topic, by partition."""
        full = self.settings.topic(topic)
        consumer = Consumer(
            {
                "bootstrap.servers": self.settings.kafka_bootstrap,
                "group.id": "unused",
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
            }
        )
        partitions = self.settings.partitions
        found: list[list[Message]] = [[] for _ in range(partitions)]
        consumer.assign([TopicPartition(full, partition, 0) for partition in range(partitions)])
        ended: set[int] = set()
        deadline = time.monotonic() + DEADLINE_S
        while len(ended) < partitions:
            assert time.monotonic() < deadline, f"{full} has no readable end"
            for message in consumer.consume(10_000, 0.05):
                error = message.error()
                if error is None:
                    found[message.partition()].append(message)
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add(message.partition())
        consumer.close()
        return found

    def read_all(self) -> Found:
        """All topics of the installation."""
        return Found(
            raw=self.read("events.raw"),
            enriched=_json(self.read("events.enriched")),
            dlq=_json(self.read("events.dlq")),
            state=_json(self.read("enrich.state")),
            seen=[[message.value() or b"" for message in part] for part in self.read("seen")],
        )

    def absorbed(self) -> int:
        """Raw records that the committed markers count as read."""
        return sum(
            markers[-1].get("counts", {}).get("read", 0)
            for markers in _json(self.read("enrich.state"))
            if markers
        )

    def wait_position(self, offset: int) -> None:
        """Until the marker of every partition stands at ``offset``."""

        def reached() -> bool:
            last = [markers[-1:] for markers in _json(self.read("enrich.state"))]
            return all(marker and marker[0]["position"] == offset for marker in last)

        wait_until(reached, f"all markers at {offset}")

    def wait_absorbed(self, records: int) -> None:
        """Until the markers count at least ``records``."""
        wait_until(lambda: self.absorbed() >= records, f"{records} records absorbed")


def _json(found: list[list[Message]]) -> list[list[dict[str, Any]]]:
    return [[_object(message.value()) for message in partition] for partition in found]


def _object(body: bytes | None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found
