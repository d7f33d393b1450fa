"""A ClickHouse server that is away, slow, or cuts connections."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.clickhouse import AnyFault, Error, Reset, Slow
from tests.faults.case import Case
from tests.faults.memory import watched_memory
from tests.faults.scene import Scene
from tests.faults.sink_counts import sink_counts
from tests.faults.system import Layout

DOWN_S = 30.0
"""Stands for five minutes: the waits between attempts, at most 5 s, have come to their longest by then."""

SLOW = Slow(factor=10, seconds=1.0)
"""The factor alone would leave most inserts faster than the events come."""

BATCH = 1_000
SMALL_BATCHES = Layout(settings={"LOOPIN_BATCH_SIZE": str(BATCH)})
"""So that the events of the short form are many times what a sink may hold."""

GROWTH_MB = 150
"""Most that a sink may grow while its rows wait.

It may hold 1,000 events (3 MB as bytes, decoded and as Arrow) and, by its own bound, 50,000 windows of 1 KB.
The client fetches up to 16 MB of events and 4 MB of windows ahead, compressed, and holds one such answer more
while it parses it. The rest is for what the allocator keeps.
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
    """The sink must stop consuming within the block, though events wait for it, and not grow."""
    (sink,) = scene.system.sinks
    with watched_memory(sink.pid) as memory:
        yield
        counts = sink_counts(sink)
        left = scene.enriched() - counts.read
    held = f"the sink held {counts.waiting} events and left {left} on the topic"
    seen = f"{held}; it grew by {memory.grown_mb:.0f} MB"
    if counts.waiting > BATCH:
        scene.fail(f"{seen}: a batch of {BATCH} is all that it may hold")
    elif left <= BATCH:
        scene.fail(f"{seen}: nothing had to wait")
    elif memory.grown_mb > GROWTH_MB:
        scene.fail(f"{seen}, which is more than {GROWTH_MB} MB")
    else:
        scene.say(seen)


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
        scene.system.clickhouse_fault(SLOW)
        scene.flow(0.5)
        scene.publisher.wait(scene.left_s)
        scene.wait_absorbed()
    scene.system.clickhouse_well()
    scene.recovered()


def _reset(scene: Scene) -> None:
    for fault in RESETS:
        scene.system.clickhouse_fault(fault)
        scene.flow(0.9 / len(RESETS))
        scene.wait(lambda: scene.system.clickhouse_is_well, f"{fault} is met", 60)
    scene.recovered()


CLICKHOUSE: tuple[Case, ...] = (
    Case(
        "clickhouse-down",
        f"ClickHouse is killed and comes back after {DOWN_S:.0f} s",
        _down,
        layout=SMALL_BATCHES,
    ),
    Case(
        "clickhouse-slow",
        f"ClickHouse takes ten times as long, and {SLOW.seconds:.0f} s more",
        _slow,
        layout=SMALL_BATCHES,
    ),
    Case("clickhouse-reset", "inserts are cut off before and after they are stored, or refused", _reset),
)
