"""What the system has made of the raw log: read from topics and store, by plain readers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NamedTuple

from tests.faults.compare import profile_of
from tests.faults.oracle import (
    GRAINS,
    HELD_MS,
    MILLION,
    Measures,
    Place,
    RawRecord,
    StoredEvent,
    UserProfile,
    WindowKey,
    canonical,
)
from tests.faults.persons import Link, Persons, place_of, user_of
from tests.faults.progress import as_object, read_topic
from tests.faults.stored import Rows
from tests.faults.stored_persons import read_links, read_persons
from tests.faults.system import PARTITIONS, System

EVENTS_SQL = (
    "SELECT _raw_partition, _raw_offset, project, toString(uuid) AS uuid, event, distinct_id, "
    "toUnixTimestamp64Milli(timestamp) AS time, toUnixTimestamp64Milli(received_at) AS received, session_id, "
    "properties, sentiment, sentiment_label FROM events"
)
WINDOWS_SQL = (
    "SELECT project, metric, dimension, dimension_value, grain, "
    "toUnixTimestamp64Milli(toDateTime64(start, 3)) AS start, argMax(count, revision) AS count, "
    "argMax(tuple(sum), revision).1 AS sum, argMax(tuple(min), revision).1 AS min, "
    "argMax(tuple(max), revision).1 AS max, argMax(closed, revision) AS closed, "
    "argMax(basis, revision) AS basis FROM metric_windows "
    "GROUP BY project, metric, dimension, dimension_value, grain, start"
)

REPAIRS_SQL = (
    "SELECT grain, toUnixTimestamp64Milli(toDateTime64(start, 3)) AS start FROM window_repairs "
    "GROUP BY project, grain, start HAVING max(version) % 2 = 0"
)
"""A request has an even version, its outcome the odd one after it."""


class Findings(NamedTuple):
    """Everything that the comparison looks at."""

    raw: list[RawRecord]
    stored: list[tuple[Place, StoredEvent]]
    enriched: list[Place]
    dead: list[Place]
    profiles: dict[tuple[str, str], tuple[UserProfile, ...]]
    windows: dict[WindowKey, Measures]
    links: list[Link]
    persons: Persons


def read_findings(system: System) -> Findings:
    """Read it all; the store's own process must have stopped."""

    def read(topic: str) -> list[Any]:
        return read_topic(system.bootstrap, system.topic(topic), PARTITIONS)

    rows = system.rows()
    return Findings(
        raw=read_raw(system),
        stored=stored_events(rows),
        enriched=[place_of(as_object(m)) for m in read("events.enriched")],
        dead=[(letter["partition"], letter["offset"]) for letter in map(as_object, read("events.dlq"))],
        profiles=newest_profiles(read("profiles")),
        windows=stored_windows(rows),
        links=(links := read_links(system)),
        persons=read_persons(system, rows, links),
    )


def read_raw(system: System) -> list[RawRecord]:
    """The raw log, each partition in the order of offsets."""
    messages: list[Any] = read_topic(system.bootstrap, system.topic("events.raw"), PARTITIONS)
    return [RawRecord(m.partition(), m.offset(), m.timestamp()[1], m.value() or b"") for m in messages]


def stored_events(rows: Rows) -> list[tuple[Place, StoredEvent]]:
    """Every stored row of an event, before any merge."""
    return [
        (
            place_of(row),
            StoredEvent(
                project=row["project"],
                uuid=row["uuid"],
                event=row["event"],
                distinct_id=row["distinct_id"],
                timestamp_ms=row["time"],
                received_ms=row["received"],
                session_id=row["session_id"],
                properties=canonical(json.loads(row["properties"])),
                sentiment=_millionths(row["sentiment"]),
                label=row["sentiment_label"],
            ),
        )
        for row in rows.rows(EVENTS_SQL)
    ]


def stored_windows(rows: Rows) -> dict[WindowKey, Measures]:
    """The newest revision of every window."""
    return {
        WindowKey(
            row["project"],
            row["metric"],
            row["dimension"],
            row["dimension_value"],
            row["grain"],
            row["start"],
        ): Measures(
            count=row["count"],
            sum=_millionths(row["sum"]),
            min=_millionths(row["min"]),
            max=_millionths(row["max"]),
            closed=bool(row["closed"]),
            basis=row["basis"],
        )
        for row in rows.rows(WINDOWS_SQL)
    }


def read_alerts(system: System) -> list[dict[str, Any]]:
    """All alerts in the order in which they were raised."""
    return [as_object(message) for message in read_topic(system.bootstrap, system.topic("alerts"), 1)]


def pending_repairs(rows: Rows, watermark: int | None) -> int:
    """Windows that wait for being recomputed, of those that no stream holds any more at this watermark."""
    if watermark is None:
        return 0
    pending = rows.rows(REPAIRS_SQL)
    return sum(row["start"] + GRAINS[row["grain"]] + HELD_MS[row["grain"]] <= watermark for row in pending)


def window_of(window: dict[str, Any]) -> tuple[WindowKey, Measures]:
    """A window as it is published."""
    key = WindowKey(
        window["project"],
        window["metric"],
        window.get("dimension", ""),
        window.get("value", ""),
        window["grain"],
        window["start"],
    )
    return key, Measures(
        window["count"],
        window.get("sum"),
        window.get("min"),
        window.get("max"),
        window.get("closed", False),
    )


def newest_profiles(messages: list[Any]) -> dict[tuple[str, str], tuple[UserProfile, ...]]:
    """The newest profile of each user, in every partition that holds one which is not deleted."""
    newest = {(message.partition(), message.key().decode()): message for message in messages}
    found: dict[tuple[str, str], tuple[UserProfile, ...]] = {}
    for (_, key), message in newest.items():
        if message.value():
            found[user_of(key)] = (*found.get(user_of(key), ()), profile_of(as_object(message)))
    return found


def _millionths(amount: str | float | None) -> int | None:
    return None if amount is None else int(Decimal(str(amount)) * MILLION)
