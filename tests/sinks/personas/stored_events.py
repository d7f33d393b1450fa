"""Events of planted people in a store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from loopin_schemas import EnrichedEvent
from loopin_sinks.rows import by_month, to_arrow
from loopin_sinks.store import Store


class Done(NamedTuple):
    """What somebody did."""

    user: str
    event: str
    at: datetime
    properties: dict[str, Any] = {}


async def put(store: Store, done: Iterable[Done], project: str = "shop") -> None:
    """Store these events."""
    events = [_event(one, project) for one in done]
    rows = to_arrow(events, 0, range(len(events)), str(uuid4()), lambda _: 3650, 0)
    for month, part in by_month(rows):
        await store.insert("events", part, token=f"{uuid4()}:{month}")


async def link(store: Store, links: Sequence[tuple[str, str]], project: str = "shop") -> None:
    """Make each first distinct_id one of the second one's person."""
    for distinct_id, person in links:
        await store.command(
            "INSERT INTO person_distinct_ids (project, distinct_id, person, revision, _stored_at) "
            "VALUES ({project:String}, {id:String}, {person:String}, 1, now64(3))",
            {"project": project, "id": distinct_id, "person": person},
        )


def _event(of: Done, project: str) -> EnrichedEvent:
    ms = round(of.at.timestamp() * 1000)
    return EnrichedEvent(
        project=project,
        uuid=str(uuid4()),
        event=of.event,
        distinct_id=of.user,
        timestamp=ms,
        received_at=ms,
        properties=msgspec.Raw(json.dumps(of.properties).encode()),
        raw_partition=0,
        raw_offset=0,
    )
