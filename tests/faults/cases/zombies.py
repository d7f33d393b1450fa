"""Processes stopped past their session, whose successors have worked on when they wake."""

from __future__ import annotations

import signal
import time

from tests.faults.case import Case
from tests.faults.processes import FENCED
from tests.faults.scene import Scene
from tests.faults.system import SESSION_TIMEOUT_S, Layout

COMPACTED = ("profiles", "enrich.state", "merge.state")


def sleep_past_session() -> None:
    """The fault's own length: longer than the broker waits for a member of a group."""
    time.sleep(2.5 * SESSION_TIMEOUT_S)


def _worker(scene: Scene) -> None:
    """Once in the middle of a transaction, once anywhere."""
    _stopped_before_its_commit(scene)
    for worker in scene.system.workers:
        scene.flow(0.2)
        worker.signal(signal.SIGSTOP)
        scene.flow(0.1)
        sleep_past_session()
        worker.signal(signal.SIGCONT)
        scene.recovered()
    _compacted(scene)


def _stopped_before_its_commit(scene: Scene) -> None:
    scene.system.arm("before_commit", 3, "SIGSTOP")
    scene.flow(0.2)
    scene.wait_fired()
    sleep_past_session()
    for worker in scene.system.workers:
        worker.signal(signal.SIGCONT)
    scene.recovered()


def _compacted(scene: Scene) -> None:
    """Old records are gone before the end: a wrong one that a zombie wrote last would be all that is left.

    Successors restore from what is left, and must count the last events right on top of it.
    """
    scene.system.compact_soon(COMPACTED)
    scene.flow(0.05)
    scene.recovered()
    ends = scene.system.ends(COMPACTED)
    # A segment is rolled, and may then be compacted, when something comes after it.
    scene.flow(0.05)
    scene.publisher.wait(scene.left_s)
    scene.recovered()
    scene.wait(lambda: scene.system.compacted(ends), "the state topics are compacted", 120)
    for worker in scene.system.workers:
        worker.kill()
    # A tenth is still to come.
    scene.publish_all()
    scene.recovered()


def _sink(scene: Scene) -> None:
    """Stopped once its range is noted, and once anywhere."""
    scene.system.arm("insert", 3, "SIGSTOP")
    scene.flow(0.3)
    scene.wait_fired()
    sleep_past_session()
    for sink in scene.system.sinks:
        sink.signal(signal.SIGCONT)
    scene.recovered()
    for sink in scene.system.sinks:
        scene.flow(0.2)
        sink.signal(signal.SIGSTOP)
        scene.flow(0.1)
        sleep_past_session()
        sink.signal(signal.SIGCONT)
        scene.recovered()


ZOMBIES: tuple[Case, ...] = (
    Case(
        "worker-zombie",
        "a worker stopped past its session wakes again; state topics compacted before the comparison",
        _worker,
        layout=Layout(workers=2),
        may_end=frozenset({FENCED}),
    ),
    Case(
        "sink-zombie",
        "a sink stopped past its session wakes again",
        _sink,
        layout=Layout(sinks=2),
    ),
)
