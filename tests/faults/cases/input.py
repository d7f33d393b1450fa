"""Input that is broken, late, repeated, misdated, large, or lopsided."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from tests.faults.case import Case
from tests.faults.findings import read_raw
from tests.faults.load import Record, Shape, partition_of
from tests.faults.oracle import Place
from tests.faults.progress import as_object, read_topic
from tests.faults.scene import RECOVERY_S, Scene
from tests.faults.system import PARTITIONS

BROKEN_PARTITION = 1
HOT_KEY = b"shop:user-0"
HOT_RECORDS = 30_000
"""Fewer records are worked off in a few batches of 5,000, between two looks at how far all have come."""

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
    broken = _broken(scene)
    # Poison of other kinds raises alerts of its own, which would not do.
    about = {(record.poison.project, record.poison.reason) for record in broken.values() if record.poison}
    scene.wait(lambda: about <= _alerted(scene), f"alerts on the invalid records of {sorted(about)}", 60)
    fix = scene.system.folder / "fix.py"
    fix.write_text(FIX)
    for _ in range(2):
        # Poison that no fix can help stays, which the exit code 1 says.
        scene.system.command("dlq", "replay", "--since", "1h", "--fix", str(fix), codes=(0, 1))
    _check_mended(scene, broken)


def _alerted(scene: Scene) -> set[tuple[str, str]]:
    """Project and reason of the alerts on the ratio of invalid records."""
    alerts = [as_object(m) for m in read_topic(scene.system.bootstrap, scene.system.topic("alerts"), 1)]
    return {(a["project"], a["labels"]["reason"]) for a in alerts if a["rule"] == "invalid_ratio"}


def _broken(scene: Scene) -> dict[Place, Record]:
    """The records that the fix mends, by where the broker has put them."""
    published = zip(scene.publisher.placed, scene.publisher.records, strict=True)
    return {place: record for place, record in published if place and b'"evnt":' in record.body}


def _check_mended(scene: Scene, broken: dict[Place, Record]) -> None:
    """Each is on the raw log once more, and whole; with its old uuid, or with one of its own."""
    bodies = (record.body for record in read_raw(scene.system) if b'"_origin":' in record.body)
    mended = [json.loads(body) for body in bodies]
    places = Counter(_origin(event) for event in mended)
    if places != Counter(broken.keys()):
        scene.fail(f"of {len(broken)} broken records, {len(places)} came back by {places.total()} replays")
    # Where it had none, the uuid is made of the record's place: what is to be seen is that no two are equal.
    uuids = {_origin(event): event["uuid"] for event in mended}
    sent = {place: json.loads(record.body).get("uuid") for place, record in broken.items()}
    if any(uuid and uuids.get(place) != uuid for place, uuid in sent.items()):
        scene.fail("a mended event has another uuid than it was sent with")
    if len(set(uuids.values())) != len(uuids):
        scene.fail("two mended events have the same uuid")


def _origin(event: dict[str, Any]) -> Place:
    """The place on the raw log that a mended event says it comes from."""
    _, partition, offset = event["_origin"].rsplit(":", 2)
    return int(partition), int(offset)


def _crowded(scene: Scene) -> None:
    """All waits for the worker when it starts: the other partitions must not wait for the hot one's end."""
    hot = partition_of(HOT_KEY, PARTITIONS)
    (worker,) = scene.system.workers
    worker.hold()
    scene.publish_all()
    ends = scene.ends()
    worker.resume()
    left = ends

    def others_done() -> bool:
        nonlocal left
        left = [end - position for end, position in zip(ends, scene.absorbed(), strict=True)]
        return all(records <= 0 for partition, records in enumerate(left) if partition != hot)

    scene.wait(others_done, "the other partitions are absorbed", RECOVERY_S)
    seen = f"{left[hot]} of {ends[hot]} records of the hot partition are left when the others are done"
    if left[hot] > 0 or ends[hot] < HOT_RECORDS:
        scene.say(seen)
    else:
        scene.fail(f"{seen}: they were starved")
    scene.recovered()


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
    Case("hot-key", "one user has a hundred times the events, and starves no other", _crowded, shape=_hot),
)
