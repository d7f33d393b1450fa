"""A local Apache Kafka: one Java process that is broker and controller, on a data folder of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from loopin_deploy.errors import DeployError, cannot_write
from loopin_deploy.file_lock import one_at_a_time
from loopin_deploy.kafka.broker_log import last_error, tail
from loopin_deploy.kafka.config import LOG4J, java_command, server_properties
from loopin_deploy.kafka.format import format_storage
from loopin_deploy.kafka.jars import default_cache, ensure_jars, find_java
from loopin_deploy.kafka.probe import answers
from loopin_deploy.kafka.state import BrokerState, read_state, write_state
from loopin_deploy.lifeline import Guard, started_at
from loopin_deploy.ports import free_port, port_taken

DEFAULT_PORT = 9092
READY_TIMEOUT_S = 180.0
_POLL_S = 0.05
_LOG_DIR = "data"


@dataclass(frozen=True)
class BrokerStatus:
    """What ``LocalKafka.status`` answers; ``pid`` and ``port`` are None while the broker is down."""

    running: bool
    ready: bool
    pid: int | None
    port: int | None
    data_dir: Path

    @property
    def bootstrap(self) -> str | None:
        """``host:port`` for clients, or None while the broker is down."""
        return f"127.0.0.1:{self.port}" if self.port else None


class LocalKafka:
    """Kafka on this machine's loopback address; topics outlive a restart.

    Every method looks at the data folder, so ``stop``, ``status`` and ``logs`` work from another process than
    the one that called ``start``.

    Args:
        data_dir: the broker's own folder, created when missing.
        port: where clients connect; 0 takes a free one at each start.
        controller_port: the controller's own port; 0 takes a free one at each start.
        cache: where Kafka's packages are kept; the default is ``default_cache()``.
        detached: leave the broker running when the process that started it ends; otherwise it ends too.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = DEFAULT_PORT,
        controller_port: int = 0,
        cache: Path | None = None,
        detached: bool = False,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.log_path = self.data_dir / "kafka.log"
        self._wanted_port = port
        self._wanted_controller_port = controller_port
        self._cache = cache or default_cache()
        self._detached = detached
        self._state_path = self.data_dir / "broker.json"
        self._ports = (port, controller_port)
        self._log_start = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    @property
    def bootstrap(self) -> str:
        """``host:port`` for clients; with port 0 it is known once the broker has been started or prepared.

        Raises:
            DeployError: ``kafka_not_running``.
        """
        port = self._ports[0] or self.status().port
        if not port:
            raise DeployError("kafka_not_running", None, "Kafka is not running: run `loopin kafka start`.")
        return f"127.0.0.1:{port}"

    def start(self, timeout: float = READY_TIMEOUT_S) -> BrokerStatus:
        """Start the broker and return once it answers a metadata request, within ``timeout`` seconds.

        A broker that already runs on this folder and port is left as it is; one that a killed owner has left
        behind is ended first.

        Raises:
            DeployError: ``port_taken``, ``kafka_died``, ``kafka_not_ready``, ``kafka_already_running`` (on
                another port), ``disk_full``, ``folder_not_writable``, or what ``find_java`` and
                ``ensure_jars`` raise.
        """
        with self._starting():
            return self._start(timeout)

    def _start(self, timeout: float) -> BrokerStatus:
        running = self._running()
        if running and not running.orphaned and self._wanted_port in (0, running.port):
            self._ports = (running.port, running.controller_port)
            self._await_ready(running.pid, timeout)
            return self.status()
        try:
            return self._launch(timeout)
        except DeployError as error:
            if error.code != "port_taken" or (self._wanted_port and self._wanted_controller_port):
                raise
        # Another program took a free port between its choice and the broker's start.
        return self._launch(timeout)

    def _launch(self, timeout: float) -> BrokerStatus:
        command = self.prepare()
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        output = (self.data_dir / "kafka.out").open("wb")
        with output:
            self._process = subprocess.Popen(
                command,
                cwd=self.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.record(self._process.pid)
        if not self._detached:
            self._guard = Guard(self._process.pid)
        try:
            self._await_ready(self._process.pid, timeout)
        except BaseException:
            self.stop()
            raise
        return self.status()

    def prepare(self) -> list[str]:
        """Do what comes before the process: packages, ports, configuration, format; return its command line.

        For callers that supervise the process themselves: run the command in ``data_dir``, hand its number to
        ``record``, and poll ``ready``.

        Raises:
            DeployError: as ``start``, except for what the process does; ``kafka_already_running`` whatever
                its port.
        """
        if (running := self._running()) and not running.orphaned:
            raise DeployError(
                "kafka_already_running",
                "port",
                f"Kafka already runs on {self.data_dir} with port {running.port}: use that port, or run "
                "`loopin kafka stop` first.",
            )
        self.stop()
        java, jars = find_java(), ensure_jars(self._cache)
        self._choose_ports()
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            (self.data_dir / "log4j2.properties").write_text(LOG4J)
            format_storage(java, jars, self.data_dir, _LOG_DIR)
            properties = server_properties(*self._ports, _LOG_DIR)
            (self.data_dir / "server.properties").write_text(properties)
        except OSError as error:
            raise cannot_write(self.data_dir, error) from error
        return java_command(java, jars, self.data_dir, "kafka.Kafka", "server.properties")

    def record(self, pid: int) -> None:
        """Note which process the broker is, for ``status`` and ``stop`` in any process."""
        if (start := started_at(pid)) is None:
            return
        owner = None if self._detached else os.getpid()
        owner_start = started_at(owner) if owner else None
        write_state(self._state_path, BrokerState(pid, start, *self._ports, owner, owner_start))

    def ready(self) -> bool:
        """Whether the broker answers a metadata request now (asks it, for up to 2 s)."""
        state = self._running()
        return state is not None and answers(f"127.0.0.1:{state.port}")

    def status(self) -> BrokerStatus:
        """Whether a broker runs on this folder, whoever started it, and whether it answers."""
        state = self._running()
        return BrokerStatus(
            running=state is not None,
            ready=state is not None and answers(f"127.0.0.1:{state.port}"),
            pid=state.pid if state else None,
            port=state.port if state else None,
            data_dir=self.data_dir,
        )

    def stop(self, timeout: float = 20.0) -> bool:
        """End the broker: SIGTERM, after ``timeout`` seconds SIGKILL; false if none ran on this folder."""
        state = self._running()
        if state:
            _end(psutil.Process(state.pid), timeout)
        if self._process:
            self._process.wait()
            self._process = None
        if self._guard:
            self._guard.release()
            self._guard = None
        self._state_path.unlink(missing_ok=True)
        self._ports = (self._wanted_port, self._wanted_controller_port)
        return state is not None

    def logs(self, lines: int = 100) -> list[str]:
        """The last lines of the broker's log, oldest first; empty before the first start."""
        return tail(self.log_path, lines)

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with one_at_a_time(self.data_dir / "start.lock"):
                yield
        except OSError as error:
            raise cannot_write(self.data_dir, error) from error

    def _running(self) -> BrokerState | None:
        return read_state(self._state_path, self.data_dir)

    def _choose_ports(self) -> None:
        for setting, port in (("port", self._wanted_port), ("controller_port", self._wanted_controller_port)):
            if port and port_taken("127.0.0.1", port):
                raise _port_taken(setting, port)
        port = self._wanted_port or free_port(besides=self._wanted_controller_port)
        self._ports = (port, self._wanted_controller_port or free_port(besides=port))

    def _await_ready(self, pid: int, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not answers(f"127.0.0.1:{self._ports[0]}"):
            if started_at(pid) is None:
                raise self._died()
            if time.monotonic() > deadline:
                raise DeployError(
                    "kafka_not_ready",
                    None,
                    f"Kafka did not answer on {self.bootstrap} within {timeout:.0f} s: see {self.log_path}.",
                    self.logs(20),
                )
            time.sleep(_POLL_S)

    def _died(self) -> DeployError:
        lines = tail(self.log_path, 400, self._log_start) + tail(self.data_dir / "kafka.out", 20)
        if taken := next((line for line in lines if "Address already in use" in line), None):
            by_controller = f":{self._ports[1]}" in taken
            return _port_taken("controller_port" if by_controller else "port", self._ports[by_controller])
        reason = f"Kafka stopped while starting ({last_error(lines)}): see {self.log_path}."
        return DeployError("kafka_died", None, reason, lines[-20:])


def _port_taken(setting: str, port: int) -> DeployError:
    return DeployError(
        "port_taken",
        setting,
        f"Port {port} on 127.0.0.1, where Kafka should listen, is taken: stop the program that uses it or "
        "choose another port.",
    )


def _end(process: psutil.Process, timeout: float) -> None:
    try:
        process.terminate()
        process.wait(timeout)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(timeout)
    except psutil.NoSuchProcess:
        return
