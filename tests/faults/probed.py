"""Runs a role as ``loopin run`` does, with probes that send the process a signal at a named point.

Usage: ``python -m tests.faults.probed stream|store|sink``. The file that FAULTS_ARMED names, where it exists,
holds a point, how often it is passed before the signal is due, and the signal. Points of a worker are those
of its transactions; points of a sink are ``insert`` (noted, not yet inserted), ``inserting`` (the insert has
not returned yet) and ``inserted``, each of the table ``events``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from loopin_deploy.roles import ROLES, run_role

ARMED = "FAULTS_ARMED"
EVENTS = "events"
"""The table whose inserts are looked at."""

INSERTING_S = 0.004
"""How long the first insert runs before the signal comes; later ones run half as long as the one before."""


class Probe:
    """Sends this process the armed signal at the armed point."""

    def __init__(self, armed: Path, prefix: str = "") -> None:
        self._armed = armed
        self._prefix = prefix

    def __call__(self, point: str) -> None:
        if self.due(point):
            self.fire(point)

    def due(self, point: str) -> bool:
        """Whether the signal is due at this point, now; each call is a passing."""
        wanted, passing, name = self._read()
        if wanted != point.replace(self._prefix, ""):
            return False
        if passing > 1:
            self._armed.write_text(f"{wanted} {passing - 1} {name}")
        return passing <= 1

    def fire(self, point: str) -> None:
        """Send the signal, unless another process has met it meanwhile."""
        wanted, _, name = self._read()
        if wanted == point.replace(self._prefix, ""):
            with suppress(FileNotFoundError):
                self._armed.unlink()
                os.kill(os.getpid(), signal.Signals[name])

    def _read(self) -> tuple[str, int, str]:
        """Point, passings and signal that are armed; an empty point where nothing is."""
        try:
            wanted, passing, name = self._armed.read_text().split()
        except (FileNotFoundError, ValueError):
            # Nothing armed, or another process is just writing it.
            return "", 0, ""
        return wanted, int(passing), name


class OpenInsert:
    """An insert under way, which the armed signal meets if it does not return before."""

    def __init__(self, probe: Probe, after_s: float) -> None:
        self._probe = probe
        self._returned = False
        self._lock = threading.Lock()
        self._timer = threading.Timer(after_s, self._meet)
        self._timer.daemon = True
        if probe.due("inserting"):
            self._timer.start()

    def returned(self) -> None:
        """Too late for the signal: it stays armed, for the next insert."""
        self._timer.cancel()
        with self._lock:
            self._returned = True

    def _meet(self) -> None:
        with self._lock:
            if not self._returned:
                self._probe.fire("inserting")


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
    took_s = 2 * INSERTING_S

    async def probed(self: Any, table: str, rows: Any, **options: Any) -> None:
        nonlocal took_s
        if table != EVENTS:
            await insert(self, table, rows, **options)
            return
        probe("insert")
        under_way = OpenInsert(probe, took_s / 2)
        begun = monotonic()
        try:
            await insert(self, table, rows, **options)
        finally:
            under_way.returned()
        took_s = monotonic() - begun
        probe("inserted")

    store.insert = probed


if __name__ == "__main__":
    at_points = Probe(Path(os.environ[ARMED]), os.environ["LOOPIN_TOPIC_PREFIX"])
    if sys.argv[1] == "stream":
        _probe_worker(at_points)
    else:
        _probe_inserts(at_points)
    run_role(sys.argv[1])
