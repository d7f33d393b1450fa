"""Participants of platform events, of the newest profiles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from loopin_sinks.persons.mapping import PERSON_OF_ID
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.scores.read import NAME
from loopin_sinks.store import Store

_JOINED: Final = f"""
    SELECT {NAME} AS person,
        argMax((p.joined, p.chance, p.version), (p.chance >= 1, p.last_seen, p.distinct_id)) AS rsvp
    FROM (
        SELECT distinct_id, last_seen, indexOf(rsvp_events, {{event:String}}) AS place,
            rsvp_times[place] AS joined, rsvp_chances[place] AS chance, rsvp_versions[place] AS version
        FROM {PROFILES} FINAL
        WHERE project = {{project:String}} AND has(rsvp_events, {{event:String}})
    ) AS p
    LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
    GROUP BY person
"""
"""Of a person of several ids that which came, else that which was seen last."""

_PARTICIPANTS: Final = f"""
    SELECT arrayMap(each -> each.3, everyone) AS chances,
        arraySlice(everyone, {{offset:UInt64}} + 1, {{limit:UInt32}}) AS page
    FROM (
        SELECT arraySort(groupArray((rsvp.1, person, rsvp.2, rsvp.3))) AS everyone FROM ({_JOINED})
    )
"""

_NAMED: Final = """
    SELECT countIf(joined > left) AS joined
    FROM (
        SELECT user, maxIf(timestamp, event = 'event_joined') AS joined,
            maxIf(timestamp, event = 'event_left') AS left
        FROM events WHERE project = {project:String} AND event_id = {event:String}
        GROUP BY user
    )
    HAVING count() > 0
"""

_CANCELLED: Final = """
    SELECT argMax(event, (timestamp, event = 'event_cancelled')) = 'event_cancelled' AS cancelled
    FROM events
    PREWHERE project = {project:String} AND event IN ('event_cancelled', 'event_published')
        AND event_id = {event:String}
"""


class Participant(NamedTuple):
    """A person who has joined a platform event, and the probability to come; version 0 is the heuristic.

    Of who came it is 1.
    """

    person: str
    joined: datetime
    chance: float
    version: int


class Joined(NamedTuple):
    """The probabilities of all who have joined, and some of them, by when they joined."""

    chances: Sequence[float]
    some: tuple[Participant, ...]


async def participants(store: Store, project: str, event: str, *, limit: int, offset: int = 0) -> Joined:
    """Who has joined a platform event and may still come, or has come.

    Raises:
        StoreError: the store did not answer.
    """
    bound = {"project": project, "event": event, "limit": limit, "offset": offset}
    [row] = await store.query(_PARTICIPANTS, bound)
    some = (Participant(person, joined, *rest) for joined, person, *rest in row["page"])
    return Joined(row["chances"], tuple(some))


async def ever_joined(store: Store, project: str, event: str) -> int | None:
    """How many users have joined a platform event and not left it; None where no stored event names it.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(_NAMED, {"project": project, "event": event})
    return rows[0]["joined"] if rows else None


async def is_cancelled(store: Store, project: str, event: str) -> bool:
    """Whether a platform event was called off, and not published again since.

    Raises:
        StoreError: the store did not answer.
    """
    [row] = await store.query(_CANCELLED, {"project": project, "event": event})
    return bool(row["cancelled"])
