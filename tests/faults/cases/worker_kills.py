"""Workers killed with SIGKILL: at each named point of a batch, while they restore, and at random."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.faults.case import Case
from tests.faults.scene import Scene
from tests.faults.system import Layout

CONSUMED = ("consumed", "begun")
COMMITTING = ("before_commit", "after_commit")
PUBLISHED = (
    *("sent:events.enriched", "sent:profiles", "sent:seen", "sent:events.dlq", "sent:windows"),
    *("sent:enrich.state", "sent:merge.state", "sent:metrics"),
)
RESTORING = ("fenced", "restoring", "restored")
RANDOM_KILLS = 5


def kill_at(scene: Scene, points: Sequence[str], passing: int) -> None:
    """Kill a worker at each point in turn, while a share of the events flows for each."""
    for point in points:
        scene.system.arm(point, passing)
        scene.flow(0.9 / len(points))
        scene.wait_fired()
    scene.recovered()


def _consumed(scene: Scene) -> None:
    kill_at(scene, CONSUMED, 3)


def _published(scene: Scene) -> None:
    kill_at(scene, PUBLISHED, 2)


def _committing(scene: Scene) -> None:
    kill_at(scene, COMMITTING, 3)


def _restoring(scene: Scene) -> None:
    """A successor dies at each point of its opening, and its own successor has to open in turn."""
    for point in RESTORING:
        scene.flow(0.9 / len(RESTORING))
        # So that there is something to restore.
        scene.recovered()
        scene.system.arm(point, 2)
        scene.system.workers[0].kill()
        scene.wait_fired()
    scene.recovered()


def _at_random(scene: Scene) -> None:
    for _ in range(RANDOM_KILLS):
        scene.flow(0.9 / RANDOM_KILLS)
        # The moment within a batch is what is random here: a pause, not a condition.
        time.sleep(scene.rng.uniform(0, 2))
        scene.system.workers[0].kill()
    scene.recovered()


WORKER_KILLS: tuple[Case, ...] = (
    Case("worker-kill-consume", "kill -9 of a worker once it has consumed a batch", _consumed),
    Case("worker-kill-publish", "kill -9 of a worker after the publish to each topic", _published),
    Case("worker-kill-commit", "kill -9 of a worker before and after the commit", _committing),
    Case("worker-kill-restore", "kill -9 of a worker while it restores its state", _restoring),
    Case(
        "worker-kill-random",
        f"kill -9 of a worker at {RANDOM_KILLS} random moments",
        _at_random,
        layout=Layout(store="embedded"),
    ),
)
