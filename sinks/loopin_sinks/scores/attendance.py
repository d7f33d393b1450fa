"""Participants of platform events: the stored events say who they are, profiles how probably they come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

from loopin_sinks.metric_values.platform_events import STARTS
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.persons.mapping import PERSON_OF_ID
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.scores.read import NAME
from loopin_sinks.store import Store

_FURTHEST_DAYS: Final = 731
"""What is said to begin further from when that was said is a mistake."""

_AT: Final = "least(timestamp, received_at)"


def _start(before_days: int) -> str:
    """When an event says that the platform event begins, epoch ms; NULL where it says nothing that can be."""
    begins, said = f"({STARTS})", f"toUnixTimestamp64Milli({_AT})"
    return f"""if({begins} BETWEEN {said} - {before_days} * 86400000 AND {said} + {_FURTHEST_DAYS} * 86400000,
        {begins}, NULL)"""


def _acts(counts: str) -> str:
    """What each id did last; a join may name a start of the day before, as a long event is joined late."""
    return f"""
    SELECT distinct_id, maxIf(at, joins) AS joined, maxIf(at, event = 'event_left') AS left,
        max(event = 'event_attended') AS came, maxIf(stored, joins) AS stored,
        argMaxIf(start, at, joins) AS start,
        toDateTime64(0, 3, 'UTC') AS last_seen, false AS open, 0. AS chance, toUInt32(0) AS version
    FROM (
        SELECT distinct_id, event, {_AT} AS at, _stored_at AS stored,
            event = 'event_joined' AND {counts} AS joins, if(joins, {_start(1)}, NULL) AS start
        FROM events
        PREWHERE project = {{project:String}} AND event IN ('event_joined', 'event_left', 'event_attended')
            AND event_id = {{event:String}}
    )
    GROUP BY distinct_id
    """


_DELETED: Final = f"""
    SELECT distinct_id, toDateTime64(0, 3, 'UTC') AS joined, max({_AT}) AS left, false AS came,
        toDateTime64(0, 3, 'UTC') AS stored, NULL AS start,
        toDateTime64(0, 3, 'UTC') AS last_seen, false AS open, 0. AS chance, toUInt32(0) AS version
    FROM events PREWHERE project = {{project:String}} AND event = 'account_deleted' GROUP BY distinct_id
"""
"""Whose account was deleted has left everything that was joined before."""


def _rsvps(whose: str) -> str:
    return f"""
    SELECT distinct_id, rsvp_times[place] AS joined, toDateTime64(0, 3, 'UTC') AS left, false AS came,
        toDateTime64(0, 3, 'UTC') AS stored, NULL AS start,
        last_seen, true AS open, rsvp_chances[indexOf(rsvp_events, {{event:String}}) AS place] AS chance,
        rsvp_versions[place] AS version
    FROM {PROFILES} FINAL
    WHERE project = {{project:String}} AND has(rsvp_events, {{event:String}}) AND {whose}
    """


def _joined(counts: str, whose: str) -> str:
    """Persons whose last act is a join; of several RSVPs counts one that came, else that seen last.

    An RSVP is a join, too: the event may be stored no longer. Of who came the probability is 1, of who has
    no RSVP it is NULL.
    """
    return f"""
    SELECT person, joined, stored, start, said.2 AS version, multiIf(came, 1., open, said.1, NULL) AS chance
    FROM (
        SELECT {NAME} AS person, max(p.joined) AS joined, max(p.left) AS left, max(p.came) AS came,
            max(p.stored) AS stored, max(p.start) AS start, max(p.open) AS open,
            argMaxIf((p.chance, p.version), (p.chance >= 1, p.last_seen, p.distinct_id), p.open) AS said
        FROM ({_acts(counts)} UNION ALL {_DELETED} UNION ALL {_rsvps(whose)}) AS p
        LEFT ANY JOIN ({PERSON_OF_ID}) AS other ON other.distinct_id = p.distinct_id
        GROUP BY person
    )
    WHERE joined > left
    """


def _participants(counts: str, whose: str) -> str:
    return f"""
    SELECT arrayMap(each -> ifNull(each.3, usual), everyone) AS chances,
        arrayMap(each -> (each.1, each.2, ifNull(each.3, usual), each.4),
            arraySlice(everyone, {{offset:UInt64}} + 1, {{limit:UInt32}})) AS page,
        newest, stored, start
    FROM (
        SELECT arraySort(groupArray((joined, person, chance, version))) AS everyone,
            avgOrNullIf(chance, chance < 1) AS usual, maxOrNull(joined) AS newest,
            maxOrNull(stored) AS stored, quantileExactOrNull(0.5)(start) AS start
        FROM ({_joined(counts, whose)})
    )
    """


_ANNOUNCED: Final = f"""
    SELECT argMaxOrNull(start, timestamp) AS start,
        argMaxIf(event, (timestamp, event = 'event_cancelled'), event != 'event_created') AS state
    FROM (
        SELECT event, timestamp, if(event = 'event_created', {_start(_FURTHEST_DAYS)}, NULL) AS start
        FROM events
        PREWHERE project = {{project:String}} AND event_id = {{event:String}}
            AND event IN ('event_created', 'event_cancelled', 'event_published')
    )
"""


class Participant(NamedTuple):
    """A person who has joined a platform event, and the probability to come; version 0 is the heuristic.

    Of who came it is 1; of whom no profile has one, it is the mean of those who have not come, None where
    there is no such mean.
    """

    person: str
    joined: datetime
    chance: float | None
    version: int


class Joined(NamedTuple):
    """All whose last act is to join a platform event.

    Attributes:
        chances: their probabilities, by when they joined.
        some: some of them, in the same order.
        newest: when the newest join was, None of nobody.
        stored: when the newest stored one was stored, None of nobody.
        starts: when the event begins, as the median of those says who named it; None where none did.
    """

    chances: Sequence[float | None]
    some: tuple[Participant, ...]
    newest: datetime | None
    stored: datetime | None
    starts: datetime | None


async def participants(store: Store, scope: Scope, event: str, *, limit: int, offset: int = 0) -> Joined:
    """Who has joined a platform event and not left it since; bots and the project's own people left out.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    whose = f"cityHash64(distinct_id) NOT IN ({query.internal()})" if scope.internal else "true"
    statement = _participants(query.of_scope(), whose)
    bound = {**query.parameters, "event": event, "limit": limit, "offset": offset}
    [row] = await store.query(statement, bound)
    some = (Participant(person, joined, *rest) for joined, person, *rest in row["page"])
    return Joined(row["chances"], tuple(some), row["newest"], row["stored"], _moment(row["start"]))


class Announced(NamedTuple):
    """Whether a platform event is called off, and when it begins, None where its host does not say."""

    cancelled: bool
    starts: datetime | None


async def announced(store: Store, project: str, event: str) -> Announced:
    """By the newest events: one that was published again since is not cancelled.

    Raises:
        StoreError: the store did not answer.
    """
    [row] = await store.query(_ANNOUNCED, {"project": project, "event": event})
    return Announced(row["state"] == "event_cancelled", _moment(row["start"]))


async def is_named(store: Store, project: str, event: str) -> bool:
    """Whether any stored event, of whomever, names the platform event.

    Raises:
        StoreError: the store did not answer.
    """
    found = (
        "SELECT 1 AS named FROM events WHERE project = {project:String} AND event_id = {event:String} LIMIT 1"
    )
    return bool(await store.query(found, {"project": project, "event": event}))


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_epoch_ms(ms)
