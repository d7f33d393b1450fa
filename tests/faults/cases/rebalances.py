"""Workers that come and go while events flow."""

from __future__ import annotations

from tests.faults.case import Case
from tests.faults.scene import Scene


def _one_two_three_one(scene: Scene) -> None:
    for _ in range(2):
        scene.flow(0.2)
        scene.system.add_worker().wait_ready(scene.left_s)
    scene.flow(0.2)
    for worker in scene.system.workers[:2]:
        scene.system.remove_worker(worker)
        scene.flow(0.1)
    scene.recovered()


REBALANCES: tuple[Case, ...] = (Case("rebalance", "1 worker, then 2, 3 and again 1", _one_two_three_one),)
