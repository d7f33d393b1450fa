"""The command ``loopin`` as tests run it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Protocol


class Ran(NamedTuple):
    """What a command did: its exit code and what it wrote."""

    code: int
    out: str
    err: str

    def refused(self) -> str:
        """The one sentence of a command that failed as it should: no other output, no traceback."""
        assert self.code == 1, self
        (line,) = self.err.splitlines()
        assert line.startswith("Error: "), line
        assert line.endswith("."), line
        return line.removeprefix("Error: ")


class Loopin(Protocol):
    """Runs ``loopin ARG...`` in this process, on a data folder and terminal width of its own."""

    def __call__(self, *arguments: str | Path) -> Ran: ...


OURS = ("LOOPIN_", "ANALYTICS_", "AI_SERVICES_")

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name == "LOOPIN_CACHE" or not name.startswith(OURS)
}
ENVIRONMENT["LOOPIN_HOST_METRICS_INTERVAL_S"] = "0"
"""Taken once: the test runner changes a variable at each test, and scenarios ask from threads meanwhile."""


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without its own settings, and with these."""
    return ENVIRONMENT | variables


def run_process(*arguments: str | Path, env: Mapping[str, str]) -> Ran:
    """Run ``loopin ARG...`` as a process of its own to its end."""
    command = [sys.executable, "-m", "loopin_deploy", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=clean_environment(**env))
    return Ran(done.returncode, done.stdout, done.stderr)
