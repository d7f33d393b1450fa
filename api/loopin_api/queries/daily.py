"""Document 004's daily analytics: a row for each day of the project's time zone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from loopin_api.queries.geo import attempts_by_period
from loopin_api.queries.real_time import ERRORS
from loopin_schemas.metrics.definition import (
    ACTIVE,
    Condition,
    Count,
    Definition,
    Mean,
    OnlineMembers,
    Quotient,
    SessionLength,
    Sessions,
    Users,
    UsersSoFar,
    events,
)
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import EPOCH, Periods, Scope
from loopin_sinks.store import Store

_CHECKED: Final = "geo_access_checked"

COUNTS: Final[Mapping[str, Definition]] = {
    "active_users": Users(ACTIVE),
    "total_users": UsersSoFar(ACTIVE),
    "new_registrations": Count(events("user_signed_up")),
    "new_posts": Count(events("content_created")),
    "new_comments": Count(events("content_commented")),
    "total_likes": Count(events("content_liked")),
    "total_shares": Count(events("content_shared")),
    "content_views": Count(events("content_viewed")),
    "content_interactions": Count(events("content_liked", "content_commented", "content_shared")),
    "community_views": Count(events("community_viewed")),
    "community_joins": Count(events("community_joined")),
    "peak_community_activity": OnlineMembers("peak"),
    "geo_access_attempts": Count(events(_CHECKED)),
    "geo_blocked_attempts": Count(events(_CHECKED, where=Condition("access_result", "eq", "blocked"))),
    "geo_allowed_access": Count(events(_CHECKED, where=Condition("access_result", "eq", "allowed"))),
    "api_requests": Count(events("api_request")),
}
"""Whole numbers, 0 where nothing happened."""

MEANS: Final[Mapping[str, Definition]] = {
    "average_online_members": OnlineMembers("mean"),
    "avg_session_duration": SessionLength(),
    "bounce_rate": Quotient(Sessions("bounced"), Sessions("viewed")),
    "avg_response_time": Mean(events("api_request"), "duration_ms"),
}

ALIASES: Final = {"new_users": "new_registrations", "total_interactions": "content_interactions"}
"""Fields of the document that say what another one does."""


async def first_day(store: Store, scope: Scope) -> date | None:
    """The zone's day of the project's oldest event; None without any. Raises StoreError."""
    (row,) = await store.query(
        "SELECT count() AS events, min(timestamp) AS first FROM events WHERE project = {project:String}",
        {"project": scope.project},
    )
    first: datetime = row["first"]
    return first.astimezone(scope.zone).date() if row["events"] else None


async def daily(store: Store, scope: Scope, first: date, last: date) -> Mapping[date, dict[str, Any]]:
    """What is computed of each day from ``first`` to ``last``, by field.

    Raises:
        StoreError: the store did not answer.
    """
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    edges = [scope.midnight((day - EPOCH).days) for day in [*days, last + timedelta(days=1)]]
    # Of today there is what has happened so far.
    within = Periods((*edges[:-1], max(min(edges[-1], scope.now), edges[-2] + timedelta(milliseconds=1))))
    calculator = Calculator(store, scope)
    asked = [*COUNTS.values(), *MEANS.values(), *ERRORS]
    found, attempts = await asyncio.gather(
        asyncio.gather(*(calculator.values(of, within) for of in asked)),
        attempts_by_period(store, scope, within),
    )
    named = dict(zip([*COUNTS, *MEANS], found, strict=False))
    rows = {}
    for number, day in enumerate(days):
        at = (number, "")
        row: dict[str, Any] = {name: int(named[name].get(at) or 0) for name in COUNTS}
        row |= {name: named[name].get(at) for name in MEANS}
        minutes = row["avg_session_duration"]
        row["avg_session_duration"] = None if minutes is None else minutes * 60
        row["average_online_members"] = row["average_online_members"] or 0.0
        row["error_count"] = int(sum(values.get(at) or 0 for values in found[-len(ERRORS) :]))
        travelers = attempts.get(within.starts_ms[number])
        row["traveler_access_count"] = 0 if travelers is None else travelers.of_travelers
        row |= {alias: row[name] for alias, name in ALIASES.items()}
        rows[day] = row
    return rows
