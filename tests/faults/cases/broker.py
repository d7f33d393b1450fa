"""The broker killed while everything works."""

from __future__ import annotations

import time

from tests.faults.case import Case
from tests.faults.processes import FENCED
from tests.faults.scene import Scene
from tests.faults.system import Layout

AWAY_S = 60.0
UNCLEAN_RESTARTS = 2
TIMED_OUT = frozenset({FENCED})
"""A broker that comes back late gives up the transaction that was under way: the worker owns it no longer."""


def _away(scene: Scene) -> None:
    scene.flow(0.4)
    scene.system.kill_broker()
    # Clients go on; they keep what they cannot send.
    scene.publisher.release(0.3)
    time.sleep(AWAY_S)
    scene.system.start_broker()
    scene.recovered()


def _unclean(scene: Scene) -> None:
    for _ in range(UNCLEAN_RESTARTS):
        scene.flow(0.4)
        scene.system.kill_broker()
        scene.system.start_broker()
    scene.recovered()


BROKER: tuple[Case, ...] = (
    Case(
        "broker-away",
        f"the broker is killed and comes back after {AWAY_S:.0f} s",
        _away,
        may_end=TIMED_OUT,
    ),
    Case(
        "broker-unclean",
        f"the broker is killed and started again at once, {UNCLEAN_RESTARTS} times",
        _unclean,
        layout=Layout(store="embedded"),
        may_end=TIMED_OUT,
    ),
)
