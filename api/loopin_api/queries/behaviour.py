"""What one user did in a span: when, what, and on what kinds of platform events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from loopin_api.timespan import Timespan
from loopin_schemas.habits import HOURS, WEEKDAYS
from loopin_schemas.metrics.definition import ACTIVE, events
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.store import Store
from loopin_streams.behaviour.habits import INTEREST

MOST_NAMES: Final = 50
"""Names of a kind in an answer, the most frequent ones."""

_ACTS: Final = events(*sorted(INTEREST))
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Counts of events, those of names the largest first.

    Attributes:
        hours: by hour of the day in the user's zone (24).
        weekdays: by weekday from Monday (7).
        actions: by name.
        event_types: acts on platform events by the category that they name, else by that of the event.
        communities: by community.
    """

    hours: tuple[int, ...]
    weekdays: tuple[int, ...]
    actions: Mapping[str, int]
    event_types: Mapping[str, int]
    communities: Mapping[str, int]

    @property
    def events(self) -> int:
        """All of them."""
        return sum(self.hours)


async def behaviour(store: Store, scope: Scope, span: Timespan, zone: str) -> Behaviour:
    """Of the scope's user; ``zone`` is where their clock stands, a name in the tz database.

    Raises:
        StoreError: the store did not answer.
    """
    clock, actions, event_types, communities = await asyncio.gather(
        _clock(store, scope, span, zone),
        _counted(store, *_actions(scope, span)),
        _counted(store, *_event_types(scope, span)),
        _counted(store, *_communities(scope, span)),
    )
    return Behaviour(*clock, actions, event_types, communities)


def peaks(counts: Sequence[float], most: int) -> list[int]:
    """Where the largest counts are, at most so many and none below half of the largest; in order."""
    largest = max(counts, default=0)
    high = [place for place, count in enumerate(counts) if count > 0 and 2 * count >= largest]
    return sorted(sorted(high, key=lambda place: (-counts[place], place))[:most])


async def _clock(
    store: Store, scope: Scope, span: Timespan, zone: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    query = Query(scope)
    named = query.bind(zone, "String")
    rows = await query.rows(
        store,
        f"""
        SELECT toHour(toTimeZone(timestamp, {named})) AS hour,
            toDayOfWeek(toTimeZone(timestamp, {named})) - 1 AS weekday, count() AS number
        FROM {query.events(ACTIVE, span.start, span.end)} GROUP BY hour, weekday
        """,
    )
    hours, weekdays = [0] * HOURS, [0] * WEEKDAYS
    for row in rows:
        hours[row["hour"]] += row["number"]
        weekdays[row["weekday"]] += row["number"]
    return tuple(hours), tuple(weekdays)


def _actions(scope: Scope, span: Timespan) -> tuple[Query, str]:
    query = Query(scope)
    return query, f"SELECT toString(event) AS name FROM {query.events(ACTIVE, span.start, span.end)}"


def _communities(scope: Scope, span: Timespan) -> tuple[Query, str]:
    query = Query(scope)
    return query, f"SELECT community_id AS name FROM {query.events(ACTIVE, span.start, span.end)}"


def _event_types(scope: Scope, span: Timespan) -> tuple[Query, str]:
    query = Query(scope)
    category, acts = query.text("category"), query.events(_ACTS, span.start, span.end)
    return (
        query,
        f"""
        SELECT if(acts.named != '', acts.named, made.category) AS name
        FROM (SELECT event_id, {category} AS named FROM {acts}) AS acts
        LEFT ANY JOIN (
            SELECT event_id, argMaxIf({category}, timestamp, {category} != '') AS category
            FROM {query.of_everybody(_EVER, scope.now)} AND event = 'event_created' AND event_id != ''
                AND event_id IN (SELECT event_id FROM {acts})
            GROUP BY event_id
        ) AS made ON made.event_id = acts.event_id
    """,
    )


async def _counted(store: Store, query: Query, names: str) -> Mapping[str, int]:
    rows = await query.rows(
        store,
        f"""
        SELECT name, count() AS number FROM ({names}) WHERE name != ''
        GROUP BY name ORDER BY number DESC, name LIMIT {query.bind(MOST_NAMES, "UInt32")}
        """,
    )
    return {row["name"]: row["number"] for row in rows}
