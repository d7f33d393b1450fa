"""The raw log against what was published: the product adds what it moves or replays, and nothing else."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tests.faults.compare import SHOWN, Differences
from tests.faults.load import Record
from tests.faults.oracle import Place, RawRecord, canonical, event_time, misplaced
from tests.faults.poison import Refused


def compare_raw(
    published: Sequence[Record],
    placed: Sequence[Place | None],
    raw: Sequence[RawRecord],
    *,
    added: Collection[Place],
    partitions: int,
) -> Differences:
    """Each acknowledged record once, where the broker said; each misplaced one once more, where it belongs.

    ``placed`` is where each published record is, None where the broker has not said; ``added`` are the places
    of records that the case itself accounts for.
    """
    held = {(record.partition, record.offset): record for record in raw}
    acknowledged = {place: record for place, record in zip(placed, published, strict=True) if place}
    lost = [place for place, sent in acknowledged.items() if _body(held.get(place)) != sent.body]
    # What the broker has taken without the client's knowing counts as published.
    unknown = Counter(record.body for record, place in zip(published, placed, strict=True) if not place)
    theirs: list[RawRecord] = []
    others: list[RawRecord] = []
    for place, record in held.items():
        if place in acknowledged or _take(unknown, record.body):
            theirs.append(record)
        elif place not in added:
            others.append(record)
    poison = {record.body: record.poison for record in published if record.poison}
    wanted = Counter(_to_move(theirs, poison, partitions))
    strange = [record for record in others if not _moved(record, wanted, partitions)]
    unmoved = list(wanted.elements())
    return Differences(
        lost=len(lost) + len(unmoved),
        double=len(strange),
        notes=[
            *(f"the broker lost the record at {place}" for place in lost[:SHOWN]),
            *(f"a misplaced event was not moved: {event}" for event in unmoved[:SHOWN]),
            *(f"nobody published {r.body[:200]!r} at {r.partition}, {r.offset}" for r in strange[:SHOWN]),
        ],
    )


Identity = tuple[str, ...]
"""What two records of one event agree in."""


def _body(record: RawRecord | None) -> bytes | None:
    return None if record is None else record.body


def _take(counts: Counter[Any], key: Any) -> bool:
    """Whether there was one left, which is taken."""
    if counts[key] <= 0:
        return False
    counts[key] -= 1
    return True


def _to_move(raw: Sequence[RawRecord], poison: Mapping[bytes, Refused], partitions: int) -> list[Identity]:
    """The events that must be on the log once more."""
    out = []
    for record in raw:
        if record.body in poison:
            continue
        event = json.loads(record.body)
        time_ms = event_time(event, record.appended_ms)
        if time_ms is not None and misplaced(record.partition, event, partitions):
            out.append(_identity(event, time_ms, event.get("uuid")))
    return out


def _moved(record: RawRecord, wanted: Counter[Identity], partitions: int) -> bool:
    """Whether it is one of those events, in its user's partition, with its time and an identity."""
    try:
        event = json.loads(record.body)
        if misplaced(record.partition, event, partitions) or not isinstance(event["uuid"], str):
            return False
        # One without a uuid got it from the place where it was first.
        return any(_take(wanted, _identity(event, event["timestamp"], u)) for u in (event["uuid"], None))
    except (ValueError, KeyError):
        return False


def _identity(event: Mapping[str, Any], time_ms: int, uuid: str | None) -> Identity:
    return (
        *(str(event.get(name, "")) for name in ("project", "event", "distinct_id", "session_id")),
        canonical(event.get("properties", {})),
        str(time_ms),
        uuid or "",
    )
