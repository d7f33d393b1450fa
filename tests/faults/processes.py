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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from loopin_deploy.lifeline import LIFELINE_FD, Guard

RESTART_S = 0.2
STOP_S = 30.0
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

    def wait_ready(self, seconds: float = 60) -> None:
        """Return once it is ready."""
        wait_until(self.ready, f"{self.name} is ready; its log: {self.log}", seconds)

    def kill(self) -> None:
        """SIGKILL; a successor is started."""
        self.signal(signal.SIGKILL)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process that runs now; none runs for a moment after a death."""
        if self._process.poll() is None:
            os.kill(self._process.pid, number)

    def hold(self) -> None:
        """Kill it, and start no successor before :meth:`resume`."""
        self._held = True
        self.kill()
        wait_until(lambda: self._process.poll() is not None, f"{self.name} has ended", STOP_S)

    def resume(self) -> None:
        """Let a successor start."""
        self._held = False

    def restart(self) -> None:
        """Tell it to stop, as a rolling update does; a successor is started."""
        number = len(self.deaths)
        self.signal(signal.SIGTERM)
        wait_until(lambda: len(self.deaths) > number, f"{self.name} has stopped", STOP_S)

    def wait_death(self, seconds: float = 60) -> None:
        """Return when the process that runs now has died."""
        number = len(self.deaths)
        wait_until(lambda: len(self.deaths) > number, f"{self.name} has died", seconds, 0.01)

    def stop(self) -> None:
        """Tell it to stop, for good; SIGKILL after half a minute."""
        self._stopping, self._held = True, False
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self._keeper.join(STOP_S)
        if self._keeper.is_alive():
            self.kill()
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
