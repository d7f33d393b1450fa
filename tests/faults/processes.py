"""Processes of the system under test: started again when they die, ended with the harness."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from loopin_deploy.lifeline import LIFELINE_FD, Guard

RESTART_S = 0.2
START_S = 300.0
"""Longest wait for a process to be ready for the first time."""

STOP_S = 30.0
FENCED = 70
"""Exit code of a worker that finds its work taken over by another, to be started again."""

REFUSED = 78
"""Exit code of a role that must not be started again."""


class NotInTime(Exception):
    """A condition did not come to hold; the text says which."""


class Refused(Exception):
    """A role gave up for good; the text is the end of its log."""


def wait_until(condition: Callable[[], object], what: str, seconds: float, poll_s: float = 0.05) -> None:
    """Return once the condition holds.

    Raises:
        NotInTime: it has not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise NotInTime(f"after {seconds:.0f} s still not: {what}")
        time.sleep(poll_s)


class Process:
    """One process, restarted whenever it ends by itself or is killed, until :meth:`stop`.

    Args:
        name: names its log file.
        argv: program and arguments.
        environment: all of its variables.
        log: where its output goes; a restarted one appends.
        ready_url: answers 2xx once it is ready.
        guarded: for a program that does not end by itself when the harness is killed.

    ``deaths`` are the exit codes so far, negative for a signal's number.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        ready_url: str,
        *,
        guarded: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        self.deaths: list[int] = []
        self._planned: Counter[int] = Counter()
        self.ready_url = ready_url
        self._argv = list(argv)
        self._environment = dict(environment)
        self._stopping = False
        self._held = False
        self._guarded = guarded
        self._guard: Guard | None = None
        self._lifeline = os.pipe()
        self._process = self._spawn()
        self._keeper = threading.Thread(target=self._keep, name=name, daemon=True)
        self._keeper.start()

    @property
    def pid(self) -> int:
        """Number of the process that runs now, or ran last."""
        return self._process.pid

    def ready(self) -> bool:
        """Whether it says that it is at work."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.ready_url, timeout=2):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except (OSError, http.client.HTTPException):
            return False

    def wait_ready(self, seconds: float = START_S) -> None:
        """Return once it is ready.

        Raises:
            NotInTime: it is not within ``seconds``.
            Refused: it has given up for good.
        """

        def ready() -> bool:
            self.check()
            return self.ready()

        wait_until(ready, f"{self.name} is ready; its log: {self.log}", seconds)

    @property
    def unplanned(self) -> Counter[int]:
        """Exit codes that no signal sent from here explains, and how often each came."""
        return Counter(self.deaths) - self._planned

    def kill(self) -> None:
        """SIGKILL, and return when a process has died of it; a successor is started."""
        while self._ended_by(signal.SIGKILL) != -signal.SIGKILL:
            # It had ended by itself a moment before: its successor is to be met.
            pass
        self._planned[-signal.SIGKILL] += 1

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that runs, or is about to: none does for a moment after a death."""
        self._wait_running()
        self._send(number)

    def hold(self) -> None:
        """Kill it, and start no successor before :meth:`resume`."""
        self._wait_running()
        self._held = True
        self._planned[self._ended_by(signal.SIGKILL)] += 1

    def resume(self) -> None:
        """Let a successor start."""
        self._held = False

    def restart(self) -> None:
        """Tell it to stop, as a rolling update does; a successor is started."""
        self._planned[0] += 1
        self._ended_by(signal.SIGTERM)

    def stop(self) -> None:
        """Tell it to stop, for good; SIGKILL after half a minute, which is no planned death."""
        self._stopping, self._held = True, False
        if self._process.poll() is None:
            self._planned[0] += 1
            self._send(signal.SIGCONT)
            self._send(signal.SIGTERM)
        self._keeper.join(STOP_S)
        if self._keeper.is_alive():
            self._send(signal.SIGKILL)
            self._keeper.join()
        for end in self._lifeline:
            os.close(end)

    def check(self) -> None:
        """Raise ``Refused`` if it has given up for good."""
        if self.deaths and self.deaths[-1] == REFUSED:
            raise Refused(f"{self.name} refused to go on: {self.said()[-600:]}")

    def said(self) -> str:
        """Its output so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def complaints(self) -> list[str]:
        """Its last two lines of output that tell of an error."""
        lines = [line for line in self.said().splitlines() if '"level": "error"' in line]
        return [f"{self.name}: {line[:400]}" for line in lines[-2:]]

    def _wait_running(self) -> None:
        wait_until(lambda: self._process.poll() is None, f"{self.name} runs", STOP_S, 0.01)

    def _ended_by(self, number: int) -> int:
        """Send a signal to the process that runs, or is about to, and wait for its end; the exit code."""
        self._wait_running()
        process = self._process
        self._send(number)
        wait_until(lambda: process.poll() is not None, f"{self.name} has ended", STOP_S, 0.01)
        return process.returncode

    def _send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self._argv,
                env={**self._environment, LIFELINE_FD: str(self._lifeline[0])},
                pass_fds=(self._lifeline[0],),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self._guarded:
            self._guard = Guard(process.pid)
        return process

    def _keep(self) -> None:
        while True:
            code = self._process.wait()
            if self._guard is not None:
                self._guard.release()
            self.deaths.append(code)
            if self._stopping or code == REFUSED:
                return
            time.sleep(RESTART_S)
            while self._held:
                time.sleep(0.02)
            if self._stopping:
                return
            self._process = self._spawn()
