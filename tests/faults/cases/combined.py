"""Two faults at once, dealt at random so that each occurs."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Callable
from functools import partial

from tests.clickhouse import Error, Reset
from tests.faults.case import Case
from tests.faults.cases.zombies import sleep_past_session
from tests.faults.processes import FENCED, Process
from tests.faults.scene import RECOVERY_S, Scene
from tests.faults.system import Layout

CASES = 5
AWAY_S = 8.0
"""How long something is away in a combined fault."""

APART_S = 4.0
"""Longest time by which one of the two begins before the other."""


def _worker_killed(scene: Scene) -> None:
    for worker in scene.system.workers:
        worker.kill()
        worker.wait_ready(scene.left_s)


def _worker_killed_in_a_batch(scene: Scene) -> None:
    scene.system.arm("before_commit", 2)
    scene.wait_fired()


def _worker_replaced(scene: Scene) -> None:
    worker = scene.system.workers[0]
    scene.system.add_worker().wait_ready(scene.left_s)
    scene.system.remove_worker(worker)


def _worker_stopped(scene: Scene) -> None:
    _stopped(scene.system.workers[-1])


def _sink_stopped(scene: Scene) -> None:
    _stopped(scene.system.sinks[-1])


def _stopped(process: Process) -> None:
    process.signal(signal.SIGSTOP)
    sleep_past_session()
    process.signal(signal.SIGCONT)


def _sink_killed(scene: Scene) -> None:
    for _ in range(2):
        scene.system.sinks[0].kill()
        scene.system.sinks[0].wait_ready(scene.left_s)


def _broker_killed(scene: Scene) -> None:
    scene.system.kill_broker()
    time.sleep(AWAY_S)
    scene.system.start_broker()


def _clickhouse_away(scene: Scene) -> None:
    assert scene.system.clickhouse is not None
    scene.system.clickhouse.hold()
    time.sleep(AWAY_S)
    scene.system.clickhouse.resume()


def _clickhouse_cuts(scene: Scene) -> None:
    # A request meets the oldest that is left: one that met them all would hide the others.
    for fault in (
        Reset(after_bytes=2_000, times=2),
        Error(only="insert", times=2),
        Reset(executed=True, times=2),
    ):
        scene.system.clickhouse_fault(fault)
    scene.wait(lambda: scene.system.clickhouse_is_well, "every fault of ClickHouse is met", RECOVERY_S)


Fault = Callable[[Scene], None]

FAULTS: tuple[tuple[Fault, ...], ...] = (
    (_worker_killed, _worker_killed_in_a_batch, _worker_replaced, _worker_stopped),
    (_sink_killed, _sink_stopped),
    (_broker_killed,),
    (_clickhouse_away, _clickhouse_cuts),
)
"""By the part of the system that they befall; the two of a case befall different ones."""


def pairs(seed: int) -> list[tuple[Fault, Fault]]:
    """The two faults of each case: every fault occurs, and one of them once more."""
    rng = random.Random(f"{seed}:combined")
    part_of = {fault: number for number, part in enumerate(FAULTS) for fault in part}
    dealt = [*part_of, *rng.sample([*part_of], 2 * CASES - len(part_of))]
    while True:
        rng.shuffle(dealt)
        found = list(zip(dealt[::2], dealt[1::2], strict=True))
        if all(part_of[one] != part_of[other] for one, other in found):
            return found


def _two_at_once(number: int, scene: Scene) -> None:
    chosen = pairs(scene.seed)[number]
    failures: list[Exception] = []
    threads = [threading.Thread(target=_guarded, args=(fault, scene, failures)) for fault in chosen]
    scene.say(f"{chosen[0].__name__} and {chosen[1].__name__}")
    scene.flow(0.3)
    scene.publisher.release(0.5)
    for thread in threads:
        thread.start()
        # How far apart they begin is what is random here: a pause, not a condition.
        time.sleep(scene.rng.uniform(0, APART_S))
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    scene.recovered()


def _guarded(fault: Callable[[Scene], None], scene: Scene, failures: list[Exception]) -> None:
    try:
        fault(scene)
    except Exception as error:
        failures.append(error)


COMBINED: tuple[Case, ...] = tuple(
    Case(
        f"combined-{number + 1}",
        "two faults at once, dealt at random",
        partial(_two_at_once, number),
        layout=Layout(workers=2),
        # A worker that was stopped, or whose transaction the broker gave up when it came back.
        may_end=frozenset({FENCED}),
    )
    for number in range(CASES)
)
