"""What users did, through one partition of the enrichment."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.streams.one_partition import OnePartition, record


class Did(NamedTuple):
    """What a user did, and how long after it happened it came."""

    user: str
    event: str
    at: int
    properties: dict[str, Any]
    after: int = 20


def passed(log: list[Did], batch: int = 1) -> OnePartition:
    found = OnePartition()
    sent = []
    for number, did in enumerate(log):
        event = {
            "project": "demo",
            "event": did.event,
            "distinct_id": did.user,
            "timestamp": did.at,
            "properties": did.properties,
        }
        sent.append(record(number, event, did.after))
    found.run(sent, batch=batch)
    return found
