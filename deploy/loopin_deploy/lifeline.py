"""No process outlives the one that started it, not even when that one is killed with ``kill -9``.

The starter holds the writing end of a pipe. When it dies, however it dies, the system closes that end and
every reader sees the end of the pipe. Our own roles read it themselves (``exit_with_parent``); for a program
that cannot, such as Java, a small process reads it in its stead (``Guard``).
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable

import psutil

LIFELINE_FD = "LOOPIN_LIFELINE_FD"
GRACE_S = 10.0
_CLOCK_STEP_S = 5.0


def exit_with_parent(leave: Callable[[], None] | None = None) -> None:
    """End this process when its supervisor has died; without a supervisor, do nothing.

    Args:
        leave: called from a thread of its own at that moment; the default is ``os._exit(1)``, which is safe
            for a role because every commit of ours survives a kill.

    Raises:
        ValueError: the environment names something that is no file descriptor.
    """
    if (fd := os.environ.pop(LIFELINE_FD, None)) is None:
        return
    pipe = int(fd)
    os.set_inheritable(pipe, False)
    watcher = threading.Thread(
        target=_await_end, args=(pipe, leave or _exit_now), name="lifeline", daemon=True
    )
    watcher.start()


def _await_end(pipe: int, leave: Callable[[], None]) -> None:
    while os.read(pipe, 1024):
        pass
    leave()


def _exit_now() -> None:
    os._exit(1)


def started_at(pid: int) -> float | None:
    """When a process started (seconds since the epoch), or None if it does not run."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None


def same_process(pid: int, start: float) -> bool:
    """Whether ``pid`` still is the process that started at ``start``, not a later one with its number.

    Start times count from the boot time as the wall clock tells it, so a corrected clock moves them a little.
    """
    now = started_at(pid)
    return now is not None and abs(now - start) < _CLOCK_STEP_S


class Guard:
    """A small process that ends process ``pid`` when the caller of this constructor dies.

    Args:
        pid: the process to end: SIGTERM, then SIGKILL after ``GRACE_S`` seconds.
    """

    def __init__(self, pid: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "loopin_deploy.lifeline", str(pid), repr(started_at(pid) or 0.0)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def release(self) -> None:
        """Stop guarding, once the process has ended; does not end it."""
        self._process.kill()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()


def _guard(pid: int, start: float) -> None:
    while os.read(0, 1024):
        pass
    if not same_process(pid, start):
        return
    process = psutil.Process(pid)
    try:
        process.terminate()
        process.wait(GRACE_S)
    except psutil.TimeoutExpired:
        process.kill()
    except psutil.NoSuchProcess:
        return


if __name__ == "__main__":
    _guard(int(sys.argv[1]), float(sys.argv[2]))
