"""Runs a role as ``loopin run`` does, with probes that send the process a signal at a named point.

Usage: ``python -m tests.faults.probed stream|store|sink``. The file that FAULTS_ARMED names, where it exists,
holds a point, how often it is passed before the signal is due, and the signal. Points of a worker are those
of its transactions; points of a sink are ``insert`` (noted, not yet inserted), ``inserting`` and
``inserted``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from loopin_deploy.roles import ROLES, run_role

ARMED = "FAULTS_ARMED"
INSERTING_S = 0.004
"""How long an insert runs before it is killed; most take two to ten milliseconds."""


class Probe:
    """Sends this process the armed signal at the armed point."""

    def __init__(self, armed: Path, prefix: str = "") -> None:
        self._armed = armed
        self._prefix = prefix

    def __call__(self, point: str) -> None:
        if (number := self.hit(point)) is not None:
            os.kill(os.getpid(), number)

    def hit(self, point: str) -> signal.Signals | None:
        """The signal that is due at this point, now."""
        try:
            wanted, passing, name = self._armed.read_text().split()
            if wanted != point.replace(self._prefix, ""):
                return None
            if int(passing) > 1:
                self._armed.write_text(f"{wanted} {int(passing) - 1} {name}")
                return None
            self._armed.unlink()
        except (FileNotFoundError, ValueError):
            # Nothing armed, or another process has just taken it.
            return None
        return signal.Signals[name]


def _probe_worker(probe: Probe) -> None:
    from loopin_streams.settings import StreamSettings
    from loopin_streams.worker import run_worker

    async def stream(stop: asyncio.Event) -> None:
        await run_worker(StreamSettings(), stop, probe=probe)

    ROLES["stream"] = stream


def _probe_inserts(probe: Probe) -> None:
    from loopin_sinks.store.embedded import EmbeddedStore
    from loopin_sinks.store.server import ServerStore

    for store in (EmbeddedStore, ServerStore):
        _probe_inserts_of(store, probe)


def _probe_inserts_of(store: Any, probe: Probe) -> None:
    insert = store.insert

    async def probed(self: Any, table: str, rows: Any, **options: Any) -> None:
        probe("insert")
        if (number := probe.hit("inserting")) is not None:
            threading.Timer(INSERTING_S, os.kill, (os.getpid(), number)).start()
        await insert(self, table, rows, **options)
        probe("inserted")

    store.insert = probed


if __name__ == "__main__":
    at_points = Probe(Path(os.environ[ARMED]), os.environ["LOOPIN_TOPIC_PREFIX"])
    if sys.argv[1] == "stream":
        _probe_worker(at_points)
    else:
        _probe_inserts(at_points)
    run_role(sys.argv[1])
