"""Participants of platform events, of the newest profiles."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import PERSON, Query, of_persons
from loopin_sinks.persons.mapping import LINKED_USERS, PERSON_OF_ID
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.scores.read import NAME
from loopin_sinks.store import Store

_DONE: Final = f"""
    SELECT {NAME} AS person, maxIf(p.at, p.event = 'event_joined') AS joined,
        maxIf(p.at, p.event = 'event_left') AS left, maxIf(p.at, p.event = 'event_attended') AS came
    FROM (
        SELECT distinct_id, event, least(timestamp, received_at) AS at
        FROM events
        PREWHERE project = {{project:String}} AND event IN ('event_joined', 'event_left', 'event_attended')
            AND event_id = {{event:String}}
        WHERE user IN ({LINKED_USERS})
    ) AS p
    LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
    GROUP BY person
"""
"""Of persons of several ids, what they did last with any of them: a profile knows that of one id only."""


def _rsvps(whose: str) -> str:
    """Of persons; of one of several ids that RSVP which came, else that of the id which was seen last."""
    return f"""
    SELECT {NAME} AS person, min(p.joined) AS first, max(p.joined) AS last,
        argMax((p.joined, p.chance, p.version), (p.chance >= 1, p.last_seen, p.distinct_id)) AS rsvp
    FROM (
        SELECT distinct_id, last_seen, indexOf(rsvp_events, {{event:String}}) AS place,
            rsvp_times[place] AS joined, rsvp_chances[place] AS chance, rsvp_versions[place] AS version
        FROM {PROFILES} FINAL
        WHERE project = {{project:String}} AND has(rsvp_events, {{event:String}}) AND {whose}
    ) AS p
    LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
    GROUP BY person
    """


def _joined(whose: str) -> str:
    """The same without those who have left with another id; of who came with one the probability is 1."""
    return f"""
    SELECT each.person AS person, each.rsvp.1 AS joined,
        if(done.came > each.first, 1., each.rsvp.2) AS chance, each.rsvp.3 AS version
    FROM ({_rsvps(whose)}) AS each
    LEFT ANY JOIN ({_DONE}) AS done ON done.person = each.person
    WHERE greatest(each.last, done.joined) > done.left
    """


def _participants(whose: str) -> str:
    return f"""
    SELECT arrayMap(each -> each.3, everyone) AS chances,
        arraySlice(everyone, {{offset:UInt64}} + 1, {{limit:UInt32}}) AS page
    FROM (
        SELECT arraySort(groupArray((joined, person, chance, version))) AS everyone FROM ({_joined(whose)})
    )
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


async def participants(store: Store, scope: Scope, event: str, *, limit: int, offset: int = 0) -> Joined:
    """Who has joined a platform event and may still come, or has come; the project's own people left out.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    whose = f"cityHash64(distinct_id) NOT IN ({query.internal()})" if scope.internal else "true"
    bound = {**query.parameters, "event": event, "limit": limit, "offset": offset}
    [row] = await store.query(_participants(whose), bound)
    some = (Participant(person, joined, *rest) for joined, person, *rest in row["page"])
    return Joined(row["chances"], tuple(some))


class EverJoined(NamedTuple):
    """Of those who have joined a platform event and not left it, when the newest join was stored.

    None where there are none.
    """

    stored: datetime | None


async def ever_joined(store: Store, scope: Scope, event: str) -> EverJoined | None:
    """Joins by the scope's persons; None where no stored event, of whomever, names the platform event.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    counts = query.of_scope()
    found = f"""
        SELECT user, maxIf(timestamp, event = 'event_joined' AND {counts}) AS joined,
            maxIf(timestamp, event = 'event_left') AS left,
            maxIf(_stored_at, event = 'event_joined' AND {counts}) AS stored
        FROM events WHERE project = {{project:String}} AND event_id = {query.bind(event, "String")}
        GROUP BY user
    """
    rows = await query.rows(
        store,
        f"""
        SELECT maxOrNullIf(stored, joined > left) AS newest
        FROM (
            SELECT max(found.joined) AS joined, max(found.left) AS left, max(found.stored) AS stored
            FROM {of_persons(found)} GROUP BY {PERSON}
        )
        HAVING count() > 0
        """,
    )
    return EverJoined(rows[0]["newest"]) if rows else None


async def is_cancelled(store: Store, project: str, event: str) -> bool:
    """Whether a platform event was called off, and not published again since.

    Raises:
        StoreError: the store did not answer.
    """
    [row] = await store.query(_CANCELLED, {"project": project, "event": event})
    return bool(row["cancelled"])
