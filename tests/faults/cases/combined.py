"""Two faults at once, chosen at random."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable

from tests.clickhouse import Error, Reset
from tests.faults.case import Case
from tests.faults.cases.zombies import sleep_past_session
from tests.faults.processes import Process
from tests.faults.scene import Scene
from tests.faults.system import Layout

SEEDS = 5
AWAY_S = 8.0
"""How long something is away in a combined fault."""


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
    for fault in (Reset(after_bytes=2_000), Error(only="insert"), Reset(executed=True)):
        scene.system.clickhouse_fault(fault)
    time.sleep(AWAY_S)
    scene.system.clickhouse_well()


FAULTS: tuple[tuple[Callable[[Scene], None], ...], ...] = (
    (_worker_killed, _worker_killed_in_a_batch, _worker_replaced, _worker_stopped),
    (_sink_killed, _sink_stopped),
    (_broker_killed,),
    (_clickhouse_away, _clickhouse_cuts),
)
"""By the part of the system that they befall; the two of a case befall different ones."""


def _two_at_once(scene: Scene) -> None:
    chosen = [scene.rng.choice(part) for part in scene.rng.sample(FAULTS, 2)]
    failures: list[Exception] = []
    threads = [threading.Thread(target=_guarded, args=(fault, scene, failures)) for fault in chosen]
    scene.say(f"{chosen[0].__name__} and {chosen[1].__name__}")
    scene.flow(0.3)
    scene.publisher.release(0.5)
    for thread in threads:
        thread.start()
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
        f"combined-{number}",
        "two faults at once, chosen at random",
        _two_at_once,
        layout=Layout(workers=2),
    )
    for number in range(1, SEEDS + 1)
)
