"""The demo as it is seen on a terminal: it goes on live, alerts come, and Ctrl-C ends everything."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.deploy.command_line import clean_environment

WIDTH, HEIGHT = 100, 30
DEADLINE_S = 600.0
FREE = ("--kafka-port", "0", "--api-port", "0", "--worker-port", "0")

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
SCREEN = "\x1b[?1049h"
"""What asks a terminal for a screen of its own."""


class Terminal:
    """What a process writes to its terminal, as text without the colours."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self.raw = ""
        self._fd = fd

    @property
    def text(self) -> str:
        return ESCAPES.sub("", self.raw)

    def read(self, timeout_s: float) -> bool:
        """Take in what comes; False when the process has let go of the terminal."""
        if select.select([self._fd], [], [], timeout_s)[0]:
            try:
                found = os.read(self._fd, 1 << 16)
            except OSError:
                return False
            self.raw += found.decode(errors="replace")
            return bool(found)
        return True

    def until(self, pattern: str) -> re.Match[str]:
        """Read until it says so."""
        deadline = time.monotonic() + DEADLINE_S
        while (found := re.search(pattern, self.text)) is None:
            assert self.read(1.0), self.text[-3000:]
            assert time.monotonic() < deadline, self.text[-3000:]
        return found


@contextmanager
def on_a_terminal(data: Path) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "loopin_deploy", "demo", *FREE],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=clean_environment(LOOPIN_DATA_DIR=str(data), TERM="xterm-256color"),
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_an_incident_is_seen_as_it_happens(tmp_path: Path) -> None:
    with on_a_terminal(tmp_path / "data") as terminal:
        terminal.until(r"What came out")
        terminal.until(r"demo +\d\d:\d\d:\d\d UTC +live")
        assert SCREEN in terminal.raw
        terminal.until(r"Simulated\. A ticket sale is on\.|Simulated\. The payment provider begins to fail")
        warning = terminal.until(
            r"warning +(\d\d:\d\d:\d\d) +payment_failure_rate +(\d+\.\d)% +10\.0% +\d+ s"
        )
        critical = terminal.until(
            r"critical +(\d\d:\d\d:\d\d) +payment_failure_rate +(\d+\.\d)% +20\.0% +\d+ s"
        )
        assert 10 <= float(warning[2]) < 20 <= float(critical[2])
        assert warning[1] < critical[1] or critical[1] < "00:10", "a day may begin in between"
        family = psutil.Process(terminal.process.pid).children(recursive=True)
        assert len(family) >= 3
        terminal.process.send_signal(signal.SIGINT)
        deadline = time.monotonic() + DEADLINE_S
        while terminal.read(1.0):
            assert time.monotonic() < deadline, "it goes on"
        assert terminal.process.wait(60) == 0
        assert terminal.text.rstrip().endswith("Stopped.")
        left_there = terminal.raw.rpartition("\x1b[?1049l")[2]
        assert re.search(r"critical +[\d:]+ +payment_failure_rate", ESCAPES.sub("", left_there))
        assert psutil.wait_procs(family, timeout=60)[1] == []
