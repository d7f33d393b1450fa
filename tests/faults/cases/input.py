"""Input that is broken, late, repeated, misdated, large, or lopsided."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

from tests.faults.case import Case
from tests.faults.findings import read_alerts, read_raw
from tests.faults.load import Record, Shape, partition_of
from tests.faults.oracle import Place
from tests.faults.progress import as_object, read_topic
from tests.faults.scene import RECOVERY_S, Scene
from tests.faults.system import PARTITIONS, Layout

BROKEN_PARTITION = 1
HOT_KEY = b"shop:user-0"
FLOWING_S = 90.0
"""How long most records flow: alerts are due after 20 refused records of a reason, half a minute at most."""

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
    # A worker that found the log empty, or at its end, would let the watermarks follow the clock.
    scene.flow_steadily(0.9, FLOWING_S)
    scene.system.add_worker().wait_ready(scene.left_s)
    _wait_while_flowing(scene)
    scene.publish_all()
    scene.recovered()
    if not scene.wait_quiet():
        scene.fail("the broken partition holds the windows of the others open, or makes them wrong")
    broken = _broken(scene)
    fix = scene.system.folder / "fix.py"
    fix.write_text(FIX)
    for _ in range(2):
        # Poison that no fix can help stays, which the exit code 1 says.
        scene.system.command("dlq", "replay", "--since", "1h", "--fix", str(fix), codes=(0, 1))
    _check_mended(scene, broken)


def _wait_while_flowing(scene: Scene) -> None:
    """Alerts on the broken partition, and closed windows of the others, come before the records' end."""
    # Poison of other kinds raises alerts of its own, which would not do.
    refused = (record.poison for record in scene.publisher.records if b'"evnt":' in record.body)
    about = {(poison.project, poison.reason) for poison in refused if poison}
    scene.wait(lambda: about <= _alerted(scene), f"alerts on the invalid records of {sorted(about)}", 60)
    scene.wait(lambda: _any_closed(scene), "a window is closed", 60)
    if scene.publisher.acknowledged >= scene.publisher.released:
        scene.fail("alerts or closed windows came only when no record flowed any more")


def _any_closed(scene: Scene) -> bool:
    """Whether a window has been published as one that no event in time will change."""
    windows = read_topic(scene.system.bootstrap, scene.system.topic("metrics"), PARTITIONS)
    return any(as_object(message).get("closed") for message in windows)


def _alerted(scene: Scene) -> set[tuple[str, str]]:
    """Project and reason of the alerts on the ratio of invalid records."""
    alerts = [alert for alert in read_alerts(scene.system) if alert["rule"] == "invalid_ratio"]
    return {(alert["project"], alert["dimensions"]["reason"]) for alert in alerts}


def _broken(scene: Scene) -> dict[Place, Record]:
    """The records that the fix mends, by where the broker has put them."""
    published = zip(scene.publisher.placed, scene.publisher.records, strict=True)
    return {place: record for place, record in published if place and b'"evnt":' in record.body}


def _check_mended(scene: Scene, broken: dict[Place, Record]) -> None:
    """Each is on the raw log once more, and whole; with its old uuid, or with one of its own."""
    replayed = [record for record in read_raw(scene.system) if b'"_origin":' in record.body]
    mended = [json.loads(record.body) for record in replayed]
    places = Counter(_origin(event) for event in mended)
    if places != Counter(broken.keys()):
        scene.fail(f"of {len(broken)} broken records, {len(places)} came back by {places.total()} replays")
    scene.added |= {(record.partition, record.offset) for record in replayed}
    # Where it had none, the uuid is made of the record's place: what is to be seen is that no two are equal.
    uuids = {_origin(event): event["uuid"] for event in mended}
    sent = {place: json.loads(record.body) for place, record in broken.items()}
    if not all(_is_mended(event, sent.get(_origin(event), {})) for event in mended):
        scene.fail("a mended event says something else than it was sent with")
    if len(set(uuids.values())) != len(uuids):
        scene.fail("two mended events have the same uuid")


def _is_mended(event: dict[str, Any], sent: dict[str, Any]) -> bool:
    """Whether an event says all that was sent, under the field's right name."""
    right = {("event" if name == "evnt" else name): value for name, value in sent.items()}
    return "event" in right and all(event.get(name) == value for name, value in right.items())


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
        layout=Layout(workers=0),
    ),
    Case("client-retries", "each client batch is delivered three times", _undisturbed, shape=_thrice),
    Case("late", "one batch with events up to an hour late and months old", _undisturbed, shape=_late),
    Case("clock-skew", "a fifth of the users have clocks a day ahead or behind", _undisturbed, shape=_skewed),
    Case("huge", "50 records of 1 MB", _undisturbed, shape=_huge),
    Case("hot-key", "one user has a hundred times the events, and starves no other", _crowded, shape=_hot),
)
