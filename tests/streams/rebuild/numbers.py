"""What an installation's numbers must be, and what they are, by a plain reading of its topics.

The oracle is the fault matrix's: a batch computation over the raw log that shares nothing with the product.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from typing import Any

from confluent_kafka import Message

from tests.faults.compare import Differences, all_of, compare_profiles, compare_windows, profile_of
from tests.faults.oracle import Expected, Measures, RawRecord, UserProfile, WindowKey, expected
from tests.faults.poison import Refused
from tests.streams.exactly_once import event
from tests.streams.installation import Installation, wait_until

RECEIVED = "records_received"
GRAINS = {"minute": 60_000, "hour": 3_600_000, "day": 86_400_000}

Body = tuple[str, bytes]
"""A user and an event's body."""


def varied(number: int, seed: int, users: int = 30) -> list[Body]:
    """Events of all kinds that profiles and windows look at, some of them twice, some broken."""
    rnd = random.Random(seed)
    out: list[Body] = []
    for at in range(number):
        user = f"u{min(int(rnd.paretovariate(0.8)), users)}"
        if at % 40 == 39:
            out.append((user, b"broken %d.%d" % (seed, at)))
        elif at % 25 == 24 and out[-1][1].startswith(b"{"):
            out.append(out[-1])
        else:
            out.append((user, event(user, **_fields(rnd))))
    return out


def _fields(rnd: random.Random) -> dict[str, Any]:
    kind = rnd.choice(["click", "page_view", "ticket_purchased", "payment_refunded", "event_reviewed"])
    properties: dict[str, Any] = {"country": rnd.choice(["IN", "DE", ""])}
    if kind in ("ticket_purchased", "payment_refunded"):
        properties |= {"amount": rnd.randrange(1, 5000) / 4, "currency": rnd.choice(["INR", "EUR", ""])}
    if kind == "event_reviewed":
        properties["text"] = rnd.choice(["What a great evening!", "Terrible sound, bad seats.", "It was."])
    return {"event": kind, "properties": properties}


def raw_records(installation: Installation) -> list[RawRecord]:
    """The raw log, partition by partition."""
    return [
        RawRecord(number, record.offset() or 0, record.timestamp()[1], record.value() or b"")
        for number, part in enumerate(installation.read("events.raw"))
        for record in part
    ]


def expected_of(records: Iterable[RawRecord]) -> Expected:
    """The numbers that these records lead to."""
    raw = list(records)
    broken = {record.body: Refused("", "not_json") for record in raw if record.body.startswith(b"broken")}
    # No number of partitions: where partitions were added, a user's events lie in two, and count in both.
    return expected(raw, broken, partitions=0)


def newest(installation: Installation, topic: str) -> list[dict[bytes, Message]]:
    """The newest record of each key of a compacted topic that is not removed, by partition."""
    found: list[dict[bytes, Message]] = []
    for part in installation.read(topic):
        records = {record.key() or b"": record for record in part}
        found.append({key: record for key, record in records.items() if record.value() is not None})
    return found


def markers(installation: Installation, topic: str = "enrich.state") -> list[dict[str, Any] | None]:
    """Each partition's marker; None where there is none."""
    found = (part.get(b"m") for part in newest(installation, topic))
    return [None if record is None else json.loads(record.value() or b"") for record in found]


def wait_all_absorbed(installation: Installation) -> None:
    """Until every raw record is below its partition's marker."""
    raw = installation.read("events.raw")
    ends = [(part[-1].offset() or 0) + 1 if part else 0 for part in raw]

    def done() -> bool:
        found = markers(installation)
        return all(
            end == 0 or (marker is not None and marker["position"] >= end)
            for marker, end in zip(found, ends, strict=True)
        )

    wait_until(done, f"markers at {ends}; they are {markers(installation)}")


def profiles(installation: Installation) -> dict[tuple[str, str], tuple[UserProfile, ...]]:
    """Every user's profile; each may lie in one partition only."""
    found: dict[tuple[str, str], tuple[UserProfile, ...]] = {}
    for part in newest(installation, "profiles"):
        for key, record in part.items():
            project, _, user = key.decode().partition(":")
            assert (project, user) not in found, f"{user} has profiles in two partitions"
            found[project, user] = (profile_of(json.loads(record.value() or b"")),)
    return found


def published(installation: Installation) -> dict[WindowKey, Measures]:
    """The newest numbers of each window on ``metrics``."""
    found: dict[WindowKey, tuple[int, Measures]] = {}
    for part in installation.read("metrics"):
        for record in part:
            row = json.loads(record.value() or b"")
            key = WindowKey(
                row["project"],
                row["metric"],
                row.get("dimension", ""),
                row.get("value", ""),
                row["grain"],
                row["start"],
            )
            if key not in found or found[key][0] <= row["revision"]:
                measures = Measures(row["count"], row.get("sum"), row.get("min"), row.get("max"))
                found[key] = row["revision"], measures
    return {key: measures for key, (_, measures) in found.items()}


def differences(installation: Installation, records: list[RawRecord] | None = None) -> Differences:
    """How profiles and windows differ from the batch computation over the raw log.

    ``records`` are these and others that the log no longer holds. What was dropped of those, nobody knows:
    the number of records received is left aside then.
    """
    raw = raw_records(installation) if records is None else records
    wanted = expected_of(raw)
    found = published(installation)
    # A rebuild may leave a window behind before it is closed; whether it is right is what counts here.
    windows = {key: measures._replace(closed=False) for key, measures in wanted.windows.items()}
    if records is not None:
        found, windows = ({k: v for k, v in of.items() if k.metric != RECEIVED} for of in (found, windows))
    return all_of(compare_profiles(wanted.profiles, profiles(installation)), compare_windows(windows, found))


def wait_numbers(installation: Installation, records: list[RawRecord] | None = None) -> None:
    """Until all numbers are what the batch computation says; windows come once a second."""
    wait_all_absorbed(installation)
    _until_none(lambda: differences(installation, records))


def _until_none(compared: Callable[[], Differences]) -> None:
    found = compared()

    def equal() -> bool:
        nonlocal found
        found = compared()
        return found.none

    try:
        wait_until(equal, "the numbers are right")
    except BaseException:
        print("\n".join(found.notes))
        raise
