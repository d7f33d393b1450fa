"""The store killed with SIGKILL around an insert, told to stop in an update, and out of disk."""

from __future__ import annotations

import errno
import time
from dataclasses import replace
from pathlib import Path

from tests.faults.case import Case
from tests.faults.load import Shape
from tests.faults.processes import Process
from tests.faults.scene import Scene
from tests.faults.system import Layout

EMBEDDED = Layout(store="embedded")
INSERTING = ("insert", "inserting", "inserting", "inserting", "inserted")
"""Once the range is noted, while the engine inserts it, and before that is noted."""

FLOWING_S = 12.0
"""How long the share of events flows that one kill falls into."""

DISK_MB = 400
FULL_S = 10.0
"""How long the disk stays full."""


def _mid_insert(scene: Scene) -> None:
    for point in INSERTING:
        scene.system.arm(point, 3)
        # So long that inserts follow one another until one is met.
        scene.flow_steadily(0.9 / len(INSERTING), FLOWING_S)
        scene.wait_fired()
    scene.recovered()


def _rolling_restart(scene: Scene) -> None:
    """Every process in turn, the next when the one before is back at work."""
    in_turn = (*scene.system.workers, *scene.system.sinks)
    for process in in_turn:
        scene.flow(0.9 / len(in_turn))
        process.restart()
        process.wait_ready(scene.left_s)
    scene.recovered()


def _disk_full(scene: Scene) -> None:
    (store,) = scene.system.sinks
    scene.flow(0.3)
    filler = scene.system.store_folder / "filler"
    fill_disk(filler)
    scene.flow(0.3)
    scene.wait(lambda: refuses_inserts(store), "the store refuses inserts", 60)
    # Not a wait for a condition, but the length of the fault.
    time.sleep(FULL_S)
    filler.unlink()
    scene.recovered()


def fill_disk(filler: Path) -> None:
    """Write until there is no room."""
    block = bytes(1 << 16)
    try:
        with filler.open("wb", buffering=0) as file:
            while file.write(block) == len(block):
                pass
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def refuses_inserts(store: Process) -> bool:
    """Whether the sink has said that an insert failed."""
    return "insert_failed" in store.said()


def late(shape: Shape) -> Shape:
    """Some events come so late that stored windows have to be recomputed."""
    return replace(shape, late=max(100, shape.events // 50))


STORE_KILLS: tuple[Case, ...] = (
    Case("store-kill", "kill -9 of the store mid-insert, 5 times", _mid_insert, layout=EMBEDDED),
    Case(
        "sink-kill",
        "kill -9 of a sink of a ClickHouse server mid-insert, 5 times, with late events",
        _mid_insert,
        shape=late,
    ),
    Case(
        "rolling-restart",
        "SIGTERM for each worker and the store in turn, as an update does",
        _rolling_restart,
        layout=Layout(workers=2, store="embedded"),
    ),
    Case(
        "disk-full",
        f"the disk of the store's folder is full for {FULL_S:.0f} s",
        _disk_full,
        layout=Layout(store="embedded", disk_mb=DISK_MB),
    ),
)
