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
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec

from loopin_streams.settings import StreamSettings
from tests.streams import plain_state
from tests.streams.plain_state import Numbers, Series, Shares

DEADLINE_S = 300.0
"""Long enough for a busy machine: who waits for a condition that never comes waits once."""


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_S) -> None:
    """Return once the condition holds; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"after {seconds:.0f} s still not: {what}")
        time.sleep(0.02)


def wait_decided(bootstrap: str, topic: str, partitions: int) -> None:
    """Return once all that is on the topic by now is committed or aborted.

    A client's commit returns before the notes that end the transaction are in the logs; until they are, a
    reader of committed records stops short of it.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    every = [TopicPartition(topic, partition) for partition in range(partitions)]

    def ends(isolation: IsolationLevel) -> list[int]:
        asked = admin.list_offsets(dict.fromkeys(every, OffsetSpec.latest()), isolation_level=isolation)
        return [int(asked[at].result(60).offset) for at in every]

    there: list[int] = []

    def decided() -> bool:
        try:
            there[:] = there or ends(IsolationLevel.READ_UNCOMMITTED)
            readable = ends(IsolationLevel.READ_COMMITTED)
        except KafkaException:
            # The partitions of a new topic have no leaders for a moment.
            return False
        return all(end >= before for end, before in zip(readable, there, strict=True))

    wait_until(decided, f"the transactions on {topic} have ended")


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

    def opened(self, job: str = "enrich") -> int:
        """How many partitions of a job it has opened so far; it only grows, so wait for at least a number."""
        lines = (line for line in self.said().splitlines() if "partition_open" in line)
        return sum(f"job={job} " in line for line in lines)

    def refused(self, job: str) -> set[int]:
        """Partitions of a job that it has refused so far."""
        lines = (line for line in self.said().splitlines() if "partition_refused" in line)
        return {int(line.rpartition("partition=")[2].split()[0]) for line in lines if f"job={job} " in line}


@dataclass
class Found:
    """All committed records of an installation, by partition.

    ``state`` holds the enrichment's markers in order, ``state_ms`` when each was written (epoch ms);
    ``profiles`` are the newest by user, ``windows`` and ``metrics`` the records in order.
    """

    raw: list[list[Message]]
    enriched: list[list[dict[str, Any]]]
    dlq: list[list[dict[str, Any]]]
    state: list[list[dict[str, Any]]]
    state_ms: list[list[int]]
    seen: list[list[bytes]]
    profiles: list[dict[str, dict[str, Any]]]
    windows: list[list[dict[str, Any]]]
    metrics: list[list[dict[str, Any]]]

    def published(self) -> list[int]:
        """Of each raw partition, the offset below which all is in the windows that it has published."""
        return _published(self.windows)

    def shares(self) -> list[Shares]:
        """Each raw partition's share of the windows: its newest record of each series."""
        return _shares(self.windows)

    def sums(self) -> Shares:
        """The windows over all partitions: the greatest revision of each series."""
        return _sums(self.metrics)


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
        assert producer.flush(60) == 0

    # Workers.

    def members(self) -> int:
        """How many workers the broker counts in the group."""
        group = self.settings.topic("enrich")
        admin = AdminClient({"bootstrap.servers": self.settings.kafka_bootstrap, "log_level": 0})
        return len(admin.describe_consumer_groups([group])[group].result(20).members)

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
            "settings": self.settings.model_dump(mode="json"),
            "log": str(log),
            "point": point,
            "passing": passing,
            "signal": signal_name,
            "limits": {"max_events": 100, "linger_s": 0.01} | limits,
        }
        worker = Worker(self.nursery, self.nursery.ask({"start": order}), log)
        self.workers.append(worker)
        return worker

    def said(self) -> str:
        """The end of each worker's log, for who wonders why a test failed."""
        return "\n".join(f"{worker.log.name}:\n{worker.said()[-3000:]}" for worker in self.workers)

    def close(self) -> None:
        for worker in self.workers:
            if not worker.ended:
                worker.send(signal.SIGKILL)
                worker.wait()

    # What a plain reader finds.

    def read(self, topic: str, *, decided: bool = False) -> list[list[Message]]:
        """Every committed record of a topic, by partition.

        With ``decided`` none is missed that was sent before: see :func:`wait_decided`.
        """
        partitions = self.settings.partitions
        return self._read(topic, partitions, decided=decided)

    def read_one(self, topic: str) -> list[Message]:
        """Every committed record of a topic of one partition."""
        return self._read(topic, 1, decided=False)[0]

    def _read(self, topic: str, partitions: int, *, decided: bool) -> list[list[Message]]:
        full = self.settings.topic(topic)
        if decided:
            wait_decided(self.settings.kafka_bootstrap, full, partitions)
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
        markers = self._markers()
        return Found(
            raw=self.read("events.raw"),
            enriched=_json(self.read("events.enriched")),
            dlq=_json(self.read("events.dlq")),
            state=_json(markers),
            state_ms=[[message.timestamp()[1] for message in part] for part in markers],
            seen=[[message.value() or b"" for message in part] for part in self.read("seen")],
            profiles=[_newest(part) for part in self.read("profiles")],
            windows=_json(self.read("windows")),
            metrics=_json(self.read("metrics")),
        )

    def settled(self) -> Found:
        """All topics, once the windows of every raw record are published and added up."""
        last = [part[-1].offset() if part else -1 for part in self.read("events.raw")]

        def published() -> bool:
            found = _published(_json(self.read("windows")))
            return all(position > offset for position, offset in zip(found, last, strict=True))

        def merged() -> bool:
            shares = _shares(_json(self.read("windows")))
            return _sums(_json(self.read("metrics"))) == plain_state.added_up(shares)

        wait_until(published, "the windows of every record are published")
        wait_until(merged, "what was published is added up")
        return self.read_all()

    def _markers(self) -> list[list[Message]]:
        return _markers_of(self.read("enrich.state"))

    def absorbed(self) -> int:
        """Raw records that the committed markers count as read."""
        return sum(
            markers[-1].get("counts", {}).get("read", 0) for markers in _json(self._markers()) if markers
        )

    def wait_position(self, offset: int) -> None:
        """Until the marker of every partition stands at ``offset``."""

        def reached() -> bool:
            last = [markers[-1:] for markers in _json(self._markers())]
            return all(marker and marker[0]["position"] == offset for marker in last)

        wait_until(reached, f"all markers at {offset}")

    def wait_absorbed(self, records: int) -> None:
        """Until the markers count at least ``records``."""
        wait_until(lambda: self.absorbed() >= records, f"{records} records absorbed")


def _markers_of(state: list[list[Message]]) -> list[list[Message]]:
    return [[message for message in part if message.key() == b"m"] for part in state]


def _newest(found: list[Message]) -> dict[str, dict[str, Any]]:
    values = {(message.key() or b"").decode(): message.value() for message in found}
    return {key: json.loads(value) for key, value in values.items() if value is not None}


def _published(windows: list[list[dict[str, Any]]]) -> list[int]:
    found = [0] * len(windows)
    for partials in (one for part in windows for one in part):
        found[partials["partition"]] = max(found[partials["partition"]], partials["position"])
    return found


def _shares(windows: list[list[dict[str, Any]]]) -> list[Shares]:
    found: list[Shares] = [{} for _ in windows]
    for partials in (one for part in windows for one in part):
        found[partials["partition"]].update(plain_state.shares_in(partials.get("windows", [])))
    return found


def _sums(metrics: list[list[dict[str, Any]]]) -> Shares:
    newest: dict[Series, dict[str, Any]] = {}
    for one in (one for part in metrics for one in part):
        about = one["metric"], one.get("dimension", ""), one.get("value", "")
        series = Series(one["project"], one["grain"], one["start"], *about)
        if series not in newest or one["revision"] > newest[series]["revision"]:
            newest[series] = one
    return {
        series: Numbers(one["count"], one.get("sum"), one.get("min"), one.get("max"))
        for series, one in newest.items()
    }


def _json(found: list[list[Message]]) -> list[list[dict[str, Any]]]:
    return [[_object(message.value()) for message in partition] for partition in found]


def _object(body: bytes | None) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found
