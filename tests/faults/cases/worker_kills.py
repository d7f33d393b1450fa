"""Workers killed with SIGKILL: at each named point of a batch, while they restore, and at random."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from tests.faults.case import Case
from tests.faults.findings import read_alerts
from tests.faults.load import Shape, spike_project
from tests.faults.poison import ALARMING
from tests.faults.scene import RECOVERY_S, Scene
from tests.faults.system import PARTITIONS, Layout

CONSUMED = ("consumed", "begun")
COMMITTING = ("before_commit", "after_commit")
PUBLISHED = (
    *("sent:events.enriched", "sent:profiles", "sent:seen", "sent:events.dlq", "sent:windows"),
    *("sent:enrich.state", "sent:merge.state", "sent:metrics", "sent:events.raw"),
)
ALARMING_RECORDS = 60
"""Twenty of them within a minute raise the one alert."""

SPIKES = 40

RESTORING = ("fenced", "restoring", "restored")
RANDOM_KILLS = 5
FLOWING_S = 10.0
"""How long the share of events flows that one of the random kills falls into."""


def kill_at(scene: Scene, points: Sequence[str], passing: int, share: float = 0.9) -> None:
    """Kill a worker at each point in turn, while its part of a share of the events flows for each."""
    for point in points:
        scene.system.arm(point, passing)
        scene.flow(share / len(points))
        scene.wait_fired()
    scene.recovered()


def _consumed(scene: Scene) -> None:
    kill_at(scene, CONSUMED, 3)


def _published(scene: Scene) -> None:
    kill_at(scene, PUBLISHED, 2, 0.8)
    # What raises it comes now; it is raised once.
    kill_at(scene, ("sent:alerts",), 1, 0.15)
    scene.wait(lambda: ALARMING in _alerted(scene), "the alert is raised", RECOVERY_S)
    if _alerted(scene).count(ALARMING) > 1:
        scene.fail("the alert was raised more than once")


def _alerted(scene: Scene, rule: str = "invalid_ratio") -> list[str]:
    """The projects of the rule's alerts, once for each time that they fired."""
    alerts = read_alerts(scene.system)
    return [alert["project"] for alert in alerts if (alert["rule"], alert["event"]) == (rule, "fired")]


def _alerting(scene: Scene) -> None:
    """Kills around the publishing of alerts, and at random, while limits are passed all along."""
    points = ("sent:alerts", "before_commit", "after_commit", "sent:merge.state") * 2
    kill_at(scene, points, 1, 0.6)
    (worker,) = scene.system.workers
    for _ in range(3):
        scene.flow_steadily(0.1, 5.0)
        scene.wait_moved_on()
        # The moment within a batch is what is random here: a pause, not a condition.
        time.sleep(scene.rng.uniform(0, 1))
        worker.kill()
    scene.publish_all()
    scene.recovered()
    wanted = {spike_project(number) for number in range(SPIKES)}
    rule = "payment_failure_rate"
    scene.wait(lambda: wanted <= set(_alerted(scene, rule)), "each spike is told", RECOVERY_S)
    told = Counter(_alerted(scene, rule))
    twice = sorted(project for project, times in told.items() if times > 1)
    if twice or told.keys() - wanted:
        scene.fail(f"told more than once: {twice}; without a spike: {sorted(told.keys() - wanted)}")


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
    (worker,) = scene.system.workers
    for number in range(RANDOM_KILLS):
        if number:
            # The successor has restored its state, and works off what came in meanwhile.
            scene.wait_moved_on()
        scene.flow_steadily(0.9 / RANDOM_KILLS, FLOWING_S)
        scene.wait_moved_on()
        # The moment within a batch is what is random here: a pause, not a condition.
        time.sleep(scene.rng.uniform(0, 1))
        worker.kill()
    scene.recovered()


def _spiking(shape: Shape) -> Shape:
    return replace(shape, spikes=SPIKES)


def _moved_and_alarming(shape: Shape) -> Shape:
    return replace(shape, misplaced=(0.02, PARTITIONS), alarming=ALARMING_RECORDS)


WORKER_KILLS: tuple[Case, ...] = (
    Case("worker-kill-consume", "kill -9 of a worker once it has consumed a batch", _consumed),
    Case(
        "worker-kill-publish",
        "kill -9 of a worker after the publish to each topic, some records in a wrong partition",
        _published,
        shape=_moved_and_alarming,
    ),
    Case("worker-kill-commit", "kill -9 of a worker before and after the commit", _committing),
    Case("worker-kill-restore", "kill -9 of a worker while it restores its state", _restoring),
    Case(
        "worker-kill-alerts",
        f"kill -9 of a worker while limits are passed in {SPIKES} projects, each of which is told once",
        _alerting,
        shape=_spiking,
    ),
    Case(
        "worker-kill-random",
        f"kill -9 of a worker at {RANDOM_KILLS} random moments",
        _at_random,
        layout=Layout(store="embedded"),
    ),
)
