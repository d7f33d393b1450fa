"""One user: who they are, what they did period by period, and their latest events."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from loopin_api.queries.users import INTERACTIONS, PAGE_VIEWS, days_of
from loopin_api.timespan import Timespan
from loopin_schemas.metrics.definition import (
    ACTIVE,
    Count,
    Definition,
    Revenue,
    SessionLength,
    Sessions,
    UniquePageViews,
    events,
)
from loopin_schemas.scores.engagement import engagement_score
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.metric_values.sql import MS, Query, Rows
from loopin_sinks.persons.mapping import PERSON_OF_ID
from loopin_sinks.store import Store

_COUNTED: Final[Mapping[str, Definition]] = {
    "page_views": Count(PAGE_VIEWS),
    "unique_page_views": UniquePageViews(),
    "content_interactions": Count(INTERACTIONS),
    "search_count": Count(events("search_performed")),
    "content_created": Count(events("content_created")),
    "session_count": Sessions("all"),
}


@dataclass(frozen=True, slots=True)
class Person:
    """Who a distinct_id is: the one that names the person, and all."""

    name: str
    distinct_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Seen:
    """When a person was first and last active, and where from at the last; ``""`` where unknown."""

    first: datetime
    last: datetime
    country: str
    city: str
    device: str


@dataclass(frozen=True, slots=True)
class Engagement:
    """A person in one period; lengths in seconds, days of the zone."""

    start: datetime
    days: int
    active_days: int
    session_count: int
    session_duration_total: float
    page_views: int
    unique_page_views: int
    content_interactions: int
    search_count: int
    content_created: int
    last_activity: datetime | None
    retention_days: int | None

    @property
    def engagement_score(self) -> float:
        """From 0 to 1."""
        return engagement_score(self.active_days, self.days, self.page_views, self.content_interactions)


async def person_of(store: Store, project: str, distinct_id: str) -> Person:
    """The person of a distinct_id, whether anybody has seen it or not.

    Raises:
        StoreError: the store did not answer.
    """
    bound = {"project": project, "id": distinct_id}
    rows = await store.query(f"SELECT person FROM ({PERSON_OF_ID}) WHERE distinct_id = {{id:String}}", bound)
    name: str = rows[0]["person"] if rows else distinct_id
    others = await store.query(
        f"SELECT distinct_id FROM ({PERSON_OF_ID}) WHERE person = {{id:String}} ORDER BY distinct_id",
        {**bound, "id": name},
    )
    return Person(name, [name, *(row["distinct_id"] for row in others)])


async def seen(store: Store, scope: Scope) -> Seen | None:
    """When the scope's user was active up to now; None if never.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    (row,) = await query.rows(
        store,
        f"""
        SELECT count() AS times, min({MS}) AS first, max({MS}) AS last,
            argMaxIf(toString(country), timestamp, country != '') AS country,
            argMaxIf(toString(city), timestamp, city != '') AS city,
            argMaxIf(toString(device_type), timestamp, device_type != '') AS device
        FROM {query.events(ACTIVE, None, scope.now)}
        """,
    )
    if not row["times"]:
        return None
    return Seen(
        from_epoch_ms(row["first"]), from_epoch_ms(row["last"]), row["country"], row["city"], row["device"]
    )


async def engagement(store: Store, scope: Scope, first: datetime, periods: Periods) -> list[Engagement]:
    """The scope's user in each period; ``first`` is when they were first active.

    Raises:
        StoreError: the store did not answer.
    """
    calculator = Calculator(store, scope)
    active, (minutes, *counted) = await asyncio.gather(
        _active_days(store, scope, periods),
        asyncio.gather(*(calculator.values(of, periods) for of in (SessionLength(), *_COUNTED.values()))),
    )
    rows = []
    for number, (start, end) in enumerate(zip(periods.edges, periods.edges[1:], strict=False)):
        days = active.get(number, {})
        counts = {name: int(values[number, ""]) for name, values in zip(_COUNTED, counted, strict=True)}
        rows.append(
            Engagement(
                start=start,
                days=days_of(Timespan(start, end, scope.zone), scope.now),
                active_days=len(days),
                session_duration_total=minutes.get((number, ""), 0.0) * 60 * counts["session_count"],
                last_activity=max(days.values(), default=None),
                retention_days=max(days) - scope.day_of(first) if days else None,
                **counts,
            )
        )
    return rows


async def revenue(store: Store, scope: Scope, span: Timespan) -> float:
    """What the scope's user paid less what they got back. Raises StoreError."""
    whole = Periods((span.start, span.end))
    return (await Calculator(store, scope).values(Revenue(), whole))[0, ""]


async def timeline(store: Store, scope: Scope, span: Timespan, limit: int) -> Rows:
    """The scope's user's latest events in the span, the newest first; ``at`` is in epoch ms.

    Raises:
        StoreError: the store did not answer.
    """
    query = Query(scope)
    return await query.rows(
        store,
        f"""
        SELECT {MS} AS at, toString(event) AS event, session_id, path, toString(content_type) AS content_type,
            object_id, event_id, community_id
        FROM {query.events(ACTIVE, span.start, span.end)}
        ORDER BY timestamp DESC, uuid LIMIT {query.bind(limit, "UInt32")}
        """,
    )


async def _active_days(store: Store, scope: Scope, periods: Periods) -> Mapping[int, Mapping[int, datetime]]:
    """By position of the period and day of the zone on which the user was active, their last event."""
    query = Query(scope)
    rows = await query.rows(
        store,
        f"SELECT {query.period(periods)} AS at, {query.day} AS day, max({MS}) AS latest "
        f"FROM {query.events(ACTIVE, periods.start, periods.end)} GROUP BY at, day",
    )
    found: dict[int, dict[int, datetime]] = defaultdict(dict)
    for row in rows:
        found[periods.number[row["at"]]][row["day"]] = from_epoch_ms(row["latest"])
    return found
