"""The system under test: a broker, workers, a sink with its store, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Container, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from loopin_deploy.kafka import LocalKafka
from loopin_deploy.ports import free_port
from tests.clickhouse import AnyFault
from tests.faults.probed import ARMED
from tests.faults.processes import START_S, Process
from tests.faults.stored import EmbeddedRows, Rows, ServerRows

PREFIX = "loopin."
PARTITIONS = 4
SECRET = "a secret of the fault matrix, 32 bytes"
CLICKHOUSE_USER, CLICKHOUSE_PASSWORD = "loopin", "faults"
SESSION_TIMEOUT_S = 4
"""Short, so that many deaths fit into a case; what is stored may not depend on it."""

REPAIR_INTERVAL_S = 1
"""Short, so that whoever waits for quiet sees a repair that changes what was right."""

COMMAND_S = 300.0
BROKER_S = 30.0
"""Longest wait for an answer of the broker."""

NEVER_MERGE = (
    "ALTER TABLE {table} MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1, "
    "max_bytes_to_merge_at_min_space_in_pool = 1, parts_to_delay_insert = 100000, "
    "parts_to_throw_insert = 100000"
)
"""A merge would replace one of two equal rows and hide that something was stored twice."""


SOON = (("segment.ms", "100"), ("min.cleanable.dirty.ratio", "0.001"), ("min.compaction.lag.ms", "0"))
"""Topic settings under which compaction does not wait."""


@dataclass(frozen=True)
class Layout:
    """Which processes run.

    Args:
        workers: stream workers.
        sinks: sinks; an embedded store allows one.
        store: ``server``: the role ``sink`` on a ClickHouse server; ``embedded``: the role ``store``.
        disk_mb: size of a disk of its own for the embedded store; None where it shares the machine's.
        settings: variables of every process besides the matrix's own.
    """

    workers: int = 1
    sinks: int = 1
    store: Literal["embedded", "server"] = "server"
    disk_mb: int | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


class System:
    """Running processes; use :func:`running_system`."""

    def __init__(self, folder: Path, layout: Layout) -> None:
        self.folder = folder
        self.layout = layout
        self.data = folder / "data"
        self._ports: set[int] = set()
        self._kafka_port = self._free_port()
        self.broker = LocalKafka(folder / "kafka", port=self._kafka_port, controller_port=self._free_port())
        self.workers: list[Process] = []
        self.sinks: list[Process] = []
        self.clickhouse: Process | None = None
        self._clickhouse_port = self._free_port()
        self._armed = folder / "armed"
        self._temporary = folder / "tmp"
        self._started = 0
        self._roles: list[Process] = []
        self._kills_armed = 0

    # Addresses.

    @property
    def bootstrap(self) -> str:
        """Where clients find the broker."""
        return self.broker.bootstrap

    @property
    def clickhouse_url(self) -> str:
        """Where the ClickHouse server listens."""
        return f"http://127.0.0.1:{self._clickhouse_port}"

    def topic(self, name: str) -> str:
        """Full name of a topic."""
        return PREFIX + name

    def rows(self) -> Rows:
        """The store's rows; an embedded one must not run meanwhile."""
        if self.layout.store == "server":
            return ServerRows(self.clickhouse_url, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD)
        return EmbeddedRows(self.store_folder)

    @property
    def store_folder(self) -> Path:
        """Where the embedded store keeps its files."""
        return self.data / "store"

    # Starting.

    def start(self) -> None:
        """Start everything, and return when it is ready."""
        self.store_folder.mkdir(parents=True)
        self._temporary.mkdir()
        if self.layout.disk_mb is not None:
            self._mount(self.layout.disk_mb)
        with ThreadPoolExecutor() as threads:
            for done in [threads.submit(self._start_kafka), threads.submit(self._start_store)]:
                done.result()
        for _ in range(self.layout.workers):
            self.add_worker()
        for _ in range(self.layout.sinks):
            self.add_sink()
        for process in (*self.workers, *self.sinks):
            process.wait_ready()

    def add_worker(self) -> Process:
        """Start one more stream worker."""
        self._started += 1
        worker = self._role("stream", f"worker{self._started}", "LOOPIN_HEALTH_PORT")
        self.workers.append(worker)
        return worker

    def remove_worker(self, worker: Process) -> None:
        """Tell a worker to stop, for good."""
        worker.stop()
        self.workers.remove(worker)

    def add_sink(self) -> Process:
        """Start one more sink; an embedded store allows only one."""
        if self.layout.store == "server":
            sink = self._role("sink", f"sink{len(self.sinks)}", "LOOPIN_HEALTH_PORT")
        else:
            sink = self._role("store", "store", "LOOPIN_API_PORT")
        self.sinks.append(sink)
        return sink

    def command(self, *arguments: str, codes: Sequence[int] = (0,)) -> str:
        """Run ``loopin ARGUMENT...``, which should end with one of the exit codes; its output.

        Raises:
            RuntimeError: it ended with another one; the text is what it said.
        """
        ran = subprocess.run(
            [sys.executable, "-m", "loopin_deploy", *arguments],
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
        if ran.returncode not in codes:
            raise RuntimeError(f"loopin {' '.join(arguments)}: {ran.stderr[-600:]}")
        return ran.stdout

    def environment(self, **more: str) -> dict[str, str]:
        """Variables of every process, and nothing of the caller's installation.

        Nor does coverage look on, which takes a quarter of the time: a killed process tells it nothing.
        """
        foreign = ("LOOPIN_", "COVERAGE_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        server = {
            "LOOPIN_CLICKHOUSE_URL": self.clickhouse_url,
            "LOOPIN_CLICKHOUSE_USER": CLICKHOUSE_USER,
            "LOOPIN_CLICKHOUSE_PASSWORD": CLICKHOUSE_PASSWORD,
        }
        return {
            **inherited,
            # What killed processes leave behind goes with the case's folder.
            "TMPDIR": str(self._temporary),
            "LOOPIN_KAFKA_BOOTSTRAP": f"127.0.0.1:{self._kafka_port}",
            "LOOPIN_TOPIC_PREFIX": PREFIX,
            "LOOPIN_PARTITIONS": str(PARTITIONS),
            "LOOPIN_SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
            "LOOPIN_DATA_DIR": str(self.data),
            "LOOPIN_HOST_METRICS_INTERVAL_S": "0",
            "LOOPIN_JWT_SECRET": SECRET,
            "LOOPIN_REPAIR_INTERVAL_S": str(REPAIR_INTERVAL_S),
            ARMED: str(self._armed),
            **(server if self.layout.store == "server" else {}),
            **self.layout.settings,
            **more,
        }

    # Damage.

    def arm(self, point: str, passing: int = 1, signal_name: str = "SIGKILL") -> None:
        """Send a signal to the process that passes ``point`` for the ``passing``-th time from now on."""
        written = self._armed.with_suffix(".new")
        written.write_text(f"{point} {passing} {signal_name}")
        written.rename(self._armed)
        self._kills_armed += signal_name == "SIGKILL"

    @property
    def armed(self) -> bool:
        """Whether the armed point has not been passed yet."""
        return self._armed.exists()

    def clickhouse_fault(self, fault: AnyFault) -> None:
        """Let the ClickHouse server do something wrong."""
        assert self.clickhouse is not None
        self.clickhouse.wait_ready()
        self._fault("POST", msgspec.json.encode(fault))

    def clickhouse_well(self) -> None:
        """Let it do nothing wrong any more."""
        self._fault("DELETE")

    @property
    def clickhouse_is_well(self) -> bool:
        """Whether every fault has met as many requests as it should."""
        return not json.loads(self._fault("GET"))

    def kill_broker(self) -> None:
        """SIGKILL for the broker; :meth:`start_broker` brings it back."""
        pid = self.broker.status().pid
        assert pid is not None, "the broker runs already no more"
        process = psutil.Process(pid)
        process.kill()
        self.broker.stop()

    def start_broker(self) -> None:
        """Start the broker again on its old address and folder."""
        self.broker.start(START_S)

    # Topics.

    def ends(self, topics: Sequence[str]) -> dict[tuple[str, int], int]:
        """Where each partition of the topics ends now, by full name and partition."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "unused", "log_level": 0})
        try:
            return {
                (topic, partition): _end(consumer, TopicPartition(topic, partition))
                for topic in map(self.topic, topics)
                for partition in range(PARTITIONS)
            }
        finally:
            consumer.close()

    def compact_soon(self, topics: Sequence[str]) -> None:
        """Make the broker compact whatever is followed by a later record."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        entries = [
            ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET) for name, value in SOON
        ]
        resources = [
            ConfigResource(ConfigResource.Type.TOPIC, self.topic(name), incremental_configs=entries)
            for name in topics
        ]
        for future in admin.incremental_alter_configs(resources).values():
            future.result(BROKER_S)

    def compacted(self, ends: Mapping[tuple[str, int], int]) -> bool:
        """Whether the broker's cleaner has passed all these ends."""
        checkpoint = self.broker.data_dir / "data" / "cleaner-offset-checkpoint"
        lines = checkpoint.read_text().splitlines()[2:] if checkpoint.exists() else []
        cleaned = {(topic, int(partition)): int(end) for topic, partition, end in map(str.split, lines)}
        return all(cleaned.get(at, 0) >= end for at, end in ends.items())

    # The end.

    def check(self) -> None:
        """Raise ``Refused`` if a process has given up for good."""
        for process in self.processes:
            process.check()

    def unplanned(self, may_end: Container[int]) -> list[str]:
        """Ends of processes that nobody has planned, but for these exit codes; also those of former ones."""
        server = (self.clickhouse,) if self.clickhouse else ()
        fired = self._kills_armed - self.armed
        out: list[str] = []
        for process in (*self._roles, *server):
            codes = process.unplanned
            # Nobody knows beforehand which process meets an armed signal.
            met = min(fired, codes[-signal.SIGKILL])
            fired -= met
            codes[-signal.SIGKILL] -= met
            out += [
                f"{process.name} ended with exit code {code} unbidden, {times} times"
                for code, times in codes.items()
                if times and code not in may_end
            ]
        return out

    def at_work(self) -> bool:
        """Whether every process says that it is."""
        return all(process.ready() for process in self.processes)

    @property
    def processes(self) -> tuple[Process, ...]:
        """All but the broker."""
        server = (self.clickhouse,) if self.clickhouse else ()
        return (*self.workers, *self.sinks, *server)

    def stop_roles(self) -> None:
        """Tell workers and sinks to stop, so that the store may be read."""
        for process in (*self.workers, *self.sinks):
            process.stop()
        self.workers.clear()
        self.sinks.clear()

    def close(self) -> None:
        """End everything."""
        self.stop_roles()
        if self.clickhouse:
            self.clickhouse.stop()
        self.broker.stop()
        if self.layout.disk_mb is not None:
            subprocess.run(["umount", str(self.store_folder)], check=False)

    def _mount(self, size_mb: int) -> None:
        """A disk of its own for the store.

        Raises:
            RuntimeError: this user may not mount one.
        """
        ran = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(self.store_folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(
                f"no disk could be mounted ({ran.stderr.strip()}): run the case as root, or under "
                "`unshare --user --map-root-user --mount`"
            )

    def _fault(self, method: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(f"{self.clickhouse_url}/_fault", body, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            found: bytes = answer.read()
            return found

    def _role(self, role: str, name: str, port_setting: str) -> Process:
        port = self._free_port()
        process = Process(
            name,
            [sys.executable, "-m", "tests.faults.probed", role],
            self.environment(**{port_setting: str(port)}),
            self.folder / f"{name}.log",
            f"http://127.0.0.1:{port}/readyz",
        )
        self._roles.append(process)
        return process

    def _free_port(self) -> int:
        """A port that nothing here has been given: what is free now may be one that is not yet in use."""
        while (port := free_port()) in self._ports:
            pass
        self._ports.add(port)
        return port

    def _start_kafka(self) -> None:
        self.broker.start(START_S)
        self.command("topics", "apply")

    def _start_store(self) -> None:
        if self.layout.store == "server":
            self.clickhouse = self._clickhouse()
            self.clickhouse.wait_ready()
        self.command("migrate")
        self.rows().command(*(NEVER_MERGE.format(table=table) for table in ("events", "metric_windows")))

    def _clickhouse(self) -> Process:
        return Process(
            "clickhouse",
            [
                *(sys.executable, "-m", "tests.clickhouse", "--port", str(self._clickhouse_port)),
                *("--folder", str(self.folder / "clickhouse")),
                *("--user", CLICKHOUSE_USER, "--password", CLICKHOUSE_PASSWORD),
            ],
            self.environment(),
            self.folder / "clickhouse.log",
            f"{self.clickhouse_url}/ping",
            guarded=True,
        )


def _end(consumer: Consumer, at: TopicPartition) -> int:
    deadline = time.monotonic() + BROKER_S
    while True:
        try:
            return int(consumer.get_watermark_offsets(at, BROKER_S)[1])
        except KafkaException:
            # A broker that has just come back answers before it leads its partitions.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@contextmanager
def running_system(folder: Path, layout: Layout) -> Iterator[System]:
    """A system that runs within the block."""
    with ExitStack() as cleanup:
        system = System(folder, layout)
        cleanup.callback(system.close)
        system.start()
        yield system
