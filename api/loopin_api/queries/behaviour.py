"""What one user did in a span: when, what, and on what kinds of platform events."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from loopin_api.queries.users import INTERACTIONS, PAGE_VIEWS, days_of
from loopin_api.timespan import Timespan
from loopin_schemas.habits import HOURS, WEEKDAYS
from loopin_schemas.metrics.definition import ACTIVE, SessionLength, Sessions, events
from loopin_schemas.scores.engagement import engagement_score
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.metric_values.sql import Query
from loopin_sinks.store import Store
from loopin_streams.behaviour.habits import INTEREST

MOST_NAMES: Final = 50
"""Names of a kind in an answer, the most frequent ones."""

_ACTS: Final = events(*sorted(INTEREST))
_EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a user did; counts of events, those of names the largest first.

    Attributes:
        days: how many the span has reached into.
        active_days: those with an event.
        sessions: begun within it.
        session_minutes: mean length; None without sessions.
        hours: by hour of the day in the user's zone (24).
        weekdays: by weekday from Monday (7).
        all_actions: by name, in no order.
        event_types: acts on platform events by the category that they name, else by that of the event.
        communities: by community.
    """

    days: int
    active_days: int
    sessions: int
    session_minutes: float | None
    hours: tuple[int, ...]
    weekdays: tuple[int, ...]
    all_actions: Mapping[str, int]
    event_types: Mapping[str, int]
    communities: Mapping[str, int]

    @property
    def events(self) -> int:
        """All of them."""
        return sum(self.hours)

    @property
    def actions(self) -> Mapping[str, int]:
        """The most frequent ones."""
        return _most(self.all_actions)

    @property
    def engagement_score(self) -> float:
        """From 0 to 1."""
        views, reactions = (
            sum(self.all_actions.get(name, 0) for name in names)
            for names in (PAGE_VIEWS.names, INTERACTIONS.names)
        )
        return engagement_score(self.active_days, self.days, views, reactions)


async def behaviour(store: Store, scope: Scope, span: Timespan, zone: str) -> Behaviour:
    """Of the scope's user; ``zone`` is where their clock stands, a name in the tz database.

    Raises:
        StoreError: the store did not answer.
    """
    calculator, whole = Calculator(store, scope), Periods((span.start, span.end))
    of, event_types, sessions, minutes = await asyncio.gather(
        _events(store, scope, span, zone),
        _event_types(store, scope, span),
        calculator.values(Sessions("all"), whole),
        calculator.values(SessionLength(), whole),
    )
    hours, weekdays, actions, communities = (
        dict(zip(*of[name], strict=True)) for name in ("hours", "weekdays", "actions", "communities")
    )
    communities.pop("", None)
    return Behaviour(
        days=days_of(span, scope.now),
        active_days=of["active_days"],
        sessions=int(sessions[0, ""]),
        session_minutes=minutes.get((0, "")),
        hours=tuple(hours.get(hour, 0) for hour in range(HOURS)),
        weekdays=tuple(weekdays.get(day, 0) for day in range(1, 1 + WEEKDAYS)),
        all_actions=actions,
        event_types=event_types,
        communities=_most(communities),
    )


def peaks(counts: Sequence[float], most: int) -> list[int]:
    """Where the largest counts are, at most so many and none below half of the largest; in order."""
    largest = max(counts, default=0)
    high = [place for place, count in enumerate(counts) if count > 0 and 2 * count >= largest]
    return sorted(sorted(high, key=lambda place: (-counts[place], place))[:most])


async def _events(store: Store, scope: Scope, span: Timespan, zone: str) -> dict[str, Any]:
    """Counts in pairs of arrays, what and how many, and the days with an event."""
    query = Query(scope)
    clock, one = f"toTimeZone(timestamp, {query.bind(zone, 'String')})", "[toUInt64(1)]"
    [row] = await query.rows(
        store,
        f"""
        SELECT sumMap([toHour({clock})], {one}) AS hours, sumMap([toDayOfWeek({clock})], {one}) AS weekdays,
            sumMap([toString(event)], {one}) AS actions, sumMap([community_id], {one}) AS communities,
            uniqExact({query.day}) AS active_days
        FROM {query.events(ACTIVE, span.start, span.end)}
        """,
    )
    return row


async def _event_types(store: Store, scope: Scope, span: Timespan) -> Mapping[str, int]:
    query = Query(scope)
    category, acts = query.text("category"), query.events(_ACTS, span.start, span.end)
    rows = await query.rows(
        store,
        f"""
        SELECT if(acts.named != '', acts.named, made.category) AS name, count() AS number
        FROM (SELECT event_id, {category} AS named FROM {acts}) AS acts
        LEFT ANY JOIN (
            SELECT event_id, argMaxIf({category}, timestamp, {category} != '') AS category
            FROM {query.of_everybody(_EVER, scope.now)} AND event = 'event_created' AND event_id != ''
                AND event_id IN (SELECT event_id FROM {acts})
            GROUP BY event_id
        ) AS made ON made.event_id = acts.event_id
        GROUP BY name HAVING name != ''
        """,
    )
    return _most({row["name"]: row["number"] for row in rows})


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    """The largest, in order."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_NAMES])
