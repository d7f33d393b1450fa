"""The server as a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType

import msgspec

from tests.clickhouse.faults import AnyFault

_STOP_S = 30.0
_REPOSITORY = Path(__file__).parents[2]


class ClickHouseProcess:
    """Can be killed, stopped and started again on the same folder and port; ends with its ``with`` block."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = 0
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        return self._running().pid

    def start(self) -> None:
        """Return once it answers.

        Raises:
            RuntimeError: it ended instead; what it said is in the text.
        """
        command = ["-m", "tests.clickhouse", "--port", str(self._port), "--folder", str(self._folder)]
        self._process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, text=True, cwd=_REPOSITORY
        )
        url = self._stdout_line()
        if not url.startswith("http://"):
            self.kill()
            raise RuntimeError(f"The test server did not start: {url}")
        self._port = int(url.rpartition(":")[2])

    def kill(self) -> None:
        """As the kernel kills: nothing is written any more."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As a supervisor stops it: running requests end first."""
        self._end(signal.SIGTERM)

    def add_fault(self, fault: AnyFault) -> None:
        self._control("POST", msgspec.json.encode(fault))

    def clear_faults(self) -> None:
        self._control("DELETE", None)

    def faults_left(self) -> list[AnyFault]:
        """Those that are still to be met."""
        return msgspec.json.decode(self._control("GET", None), type=list[AnyFault])

    def __enter__(self) -> ClickHouseProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.kill()

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise RuntimeError("The test server is not running.")
        return self._process

    def _stdout_line(self) -> str:
        stdout = self._running().stdout
        assert stdout is not None
        return stdout.readline().strip()

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._running(), None
        with process:
            process.send_signal(how)
            process.wait(_STOP_S)

    def _control(self, method: str, body: bytes | None) -> bytes:
        request = urllib.request.Request(f"{self.url}/_fault", body, method=method)
        # An environment's proxy is not for the loopback address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return bytes(answer.read())
