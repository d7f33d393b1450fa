"""A ClickHouse server that is away, slow, or cuts connections."""

from __future__ import annotations

import time

from tests.clickhouse import AnyFault, Error, Reset, Slow
from tests.faults.case import Case
from tests.faults.scene import Scene

DOWN_S = 30.0
"""Stands for five minutes: the waits between attempts, at most 5 s, have come to their longest by then."""

RESETS: tuple[AnyFault, ...] = (
    Reset(after_bytes=2_000, times=2),
    Reset(executed=True, times=2),
    Error(only="insert", times=2),
    Error(only="insert", code=None, status=502, times=1),
    Reset(after_bytes=200, times=1),
    Reset(executed=True, times=1),
)


def _down(scene: Scene) -> None:
    assert scene.system.clickhouse is not None
    scene.flow(0.4)
    scene.system.clickhouse.hold()
    scene.publisher.release(0.4)
    # The length of the fault.
    time.sleep(DOWN_S)
    scene.system.clickhouse.resume()
    scene.recovered()


def _slow(scene: Scene) -> None:
    scene.flow(0.2)
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
