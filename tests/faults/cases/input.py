"""Input that is broken, late, repeated, misdated, large, or lopsided."""

from __future__ import annotations

import json
from dataclasses import replace

from tests.faults.case import Case
from tests.faults.findings import read_raw
from tests.faults.load import Shape
from tests.faults.progress import read_topic
from tests.faults.scene import Scene

BROKEN_PARTITION = 1
FIX = """\
def fix(event, letter):
    if "evnt" not in event:
        return None
    event["event"] = event.pop("evnt")
    return event
"""


def _undisturbed(scene: Scene) -> None:
    """The input itself is the fault."""
    scene.publish_all()


def _mended(scene: Scene) -> None:
    """All of one partition is refused: an alert says so, the others go on; a fix brings all back, once."""
    scene.publish_all()
    scene.recovered()
    scene.wait(lambda: _alerted(scene), "an alert on the ratio of invalid records", 60)
    fix = scene.system.folder / "fix.py"
    fix.write_text(FIX)
    for _ in range(2):
        # Poison that no fix can help stays, which the exit code 1 says.
        scene.system.command("dlq", "replay", "--since", "1h", "--fix", str(fix), codes=(0, 1))
    assert _mended_uuids(scene) == _broken_uuids(scene), "the replay has not brought all back"


def _alerted(scene: Scene) -> bool:
    alerts = read_topic(scene.system.bootstrap, scene.system.topic("alerts"), 1)
    return any(json.loads(alert.value() or b"{}").get("rule") == "invalid_ratio" for alert in alerts)


def _broken_uuids(scene: Scene) -> set[str]:
    return {
        json.loads(record.body)["uuid"]
        for record in scene.publisher.records
        if record.poison and b'"evnt":' in record.body and b'"uuid":' in record.body
    }


def _mended_uuids(scene: Scene) -> set[str]:
    """Uuids of the broken events that are on the raw log whole."""
    wanted = _broken_uuids(scene)
    bodies = (record.body for record in read_raw(scene.system) if record.body not in scene.publisher.poison)
    return {json.loads(body).get("uuid") for body in bodies} & wanted


def _poison_partition(shape: Shape) -> Shape:
    return replace(shape, poison_partition=(BROKEN_PARTITION, 4))


def _thrice(shape: Shape) -> Shape:
    return replace(shape, deliveries=3)


def _late(shape: Shape) -> Shape:
    return replace(shape, late=max(100, shape.events // 50), history_hours=30)


def _skewed(shape: Shape) -> Shape:
    return replace(shape, skewed=0.2)


def _huge(shape: Shape) -> Shape:
    return replace(shape, huge=50)


def _hot(shape: Shape) -> Shape:
    return replace(shape, hot_times=100)


INPUT: tuple[Case, ...] = (
    Case("poison", "0.1 % of the records are broken, in 15 ways", _undisturbed),
    Case(
        "poison-partition",
        "all of one partition is broken; alerted, mended and replayed twice",
        _mended,
        shape=_poison_partition,
    ),
    Case("client-retries", "each client batch is delivered three times", _undisturbed, shape=_thrice),
    Case("late", "one batch with events up to an hour late and months old", _undisturbed, shape=_late),
    Case("clock-skew", "a fifth of the users have clocks a day ahead or behind", _undisturbed, shape=_skewed),
    Case("huge", "50 records of 1 MB", _undisturbed, shape=_huge),
    Case("hot-key", "one user has a hundred times the events", _undisturbed, shape=_hot),
)
