"""A ClickHouse server that is away, slow, or cuts connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.clickhouse import AnyFault, Error, Reset, Slow
from tests.faults.case import Case
from tests.faults.memory import watched_memory
from tests.faults.scene import Scene

DOWN_S = 30.0
"""Stands for five minutes: the waits between attempts, at most 5 s, have come to their longest by then."""

GROWTH_MB = 400
"""Most that a sink may grow while its rows wait.

Its settings let 50,000 events wait for an insert, and 50,000 windows; as bytes, decoded and as Arrow an event
takes about 3 KB and a window 1 KB: 200 MB. The client fetches up to 50 MB ahead, and holds one such answer
more while it parses it: 100 MB. The rest is for what the allocator keeps. So a sink without any bound is
seen only where more than some 130,000 events wait, as in the long form; in the short one the note tells.
"""

RESETS: tuple[AnyFault, ...] = (
    Reset(after_bytes=2_000, times=2),
    Reset(executed=True, times=2),
    Error(only="insert", times=2),
    Error(only="insert", code=None, status=502, times=1),
    Reset(after_bytes=200, times=1),
    Reset(executed=True, times=1),
)


@contextmanager
def _bounded_sink(scene: Scene) -> Iterator[None]:
    """The sink's memory must have a bound within the block, whatever waits."""
    (sink,) = scene.system.sinks
    with watched_memory(sink.pid) as memory:
        yield
    grown = f"the sink grew by {memory.grown_mb:.0f} MB"
    if memory.grown_mb > GROWTH_MB:
        scene.fail(f"{grown}, which is more than {GROWTH_MB}")
    else:
        scene.say(grown)


def _down(scene: Scene) -> None:
    assert scene.system.clickhouse is not None
    scene.flow(0.4)
    with _bounded_sink(scene):
        scene.system.clickhouse.hold()
        scene.publisher.release(0.4)
        # The length of the fault.
        time.sleep(DOWN_S)
    scene.system.clickhouse.resume()
    scene.recovered()


def _slow(scene: Scene) -> None:
    scene.flow(0.2)
    with _bounded_sink(scene):
        scene.system.clickhouse_fault(Slow(factor=10))
        scene.flow(0.5)
        scene.publisher.wait(scene.left_s)
    scene.system.clickhouse_well()
    scene.recovered()


def _reset(scene: Scene) -> None:
    for fault in RESETS:
        scene.system.clickhouse_fault(fault)
        scene.flow(0.9 / len(RESETS))
        scene.wait(lambda: scene.system.clickhouse_is_well, f"{fault} is met", 60)
    scene.recovered()


CLICKHOUSE: tuple[Case, ...] = (
    Case("clickhouse-down", f"ClickHouse is killed and comes back after {DOWN_S:.0f} s", _down),
    Case("clickhouse-slow", "ClickHouse takes ten times as long", _slow),
    Case("clickhouse-reset", "inserts are cut off before and after they are stored, or refused", _reset),
)
