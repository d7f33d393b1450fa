"""Who uses the product, how often and how much."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from loopin_api.timespan import Timespan
from loopin_schemas.metrics.definition import ACTIVE, UsersSoFar, events
from loopin_schemas.scores import engagement
from loopin_schemas.scores.engagement import ActivityLevel, EngagementLevel
from loopin_sinks.metric_values.calculate import values_of
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.metric_values.sql import MS, PERSON, Query, of_persons
from loopin_sinks.persons.mapping import LINKED, person_name
from loopin_sinks.store import Store

MAX_TOP: Final = 10

PAGE_VIEWS: Final = events("$pageview")
INTERACTIONS: Final = events("content_liked", "content_commented", "content_shared")


@dataclass(frozen=True, slots=True)
class ActiveUser:
    """A person in a span; ``user`` is the distinct_id that names them."""

    user: str
    active_days: int
    page_views: int
    interactions: int
    last_activity: datetime
    days: int

    @property
    def engagement_score(self) -> float:
        """From 0 to 1."""
        return engagement.engagement_score(self.active_days, self.days, self.page_views, self.interactions)


@dataclass(frozen=True, slots=True)
class Users:
    """All persons of a span, counted."""

    total: int
    new: int
    active: int
    by_activity: Mapping[ActivityLevel, int]
    by_engagement: Mapping[EngagementLevel, int]
    top: Sequence[ActiveUser]


def days_of(span: Timespan, now: datetime) -> int:
    """How many days of the zone a span has reached into by now, at least 1."""
    last = (min(span.end, now) - timedelta(milliseconds=1)).astimezone(span.zone).date()
    return max((last - span.start.astimezone(span.zone).date()).days + 1, 1)


async def users(store: Store, scope: Scope, span: Timespan) -> Users:
    """The users by the end of a span, and what those who were there did.

    Raises:
        StoreError: the store did not answer.
    """
    around = Periods((span.start - timedelta(milliseconds=1), span.start, span.end))
    seen, levels, top = await asyncio.gather(
        values_of(store, scope, UsersSoFar(ACTIVE), around),
        _levels(store, scope, span),
        _top(store, scope, span),
    )
    total, before = int(seen[1, ""]), int(seen[0, ""])
    active = sum(levels.values())
    by_activity: Counter[ActivityLevel] = Counter({"inactive": total - active})
    by_engagement: Counter[EngagementLevel] = Counter()
    for (activity, level), number in levels.items():
        by_activity[activity] += number
        by_engagement[level] += number
    return Users(total, total - before, active, by_activity, by_engagement, top)


async def _levels(
    store: Store, scope: Scope, span: Timespan
) -> Mapping[tuple[ActivityLevel, EngagementLevel], int]:
    """How many active persons are of each pair of levels."""
    query = Query(scope)
    days = days_of(span, scope.now)
    rows = await query.rows(
        store,
        f"""
        SELECT active_days, {_level(_score(query, days))} AS level, count() AS users
        FROM ({_people(query, span)}) GROUP BY active_days, level
        """,
    )
    found: Counter[tuple[ActivityLevel, EngagementLevel]] = Counter()
    for row in rows:
        found[engagement.activity_level(row["active_days"], days), row["level"]] += row["users"]
    return found


async def _top(store: Store, scope: Scope, span: Timespan) -> list[ActiveUser]:
    query = Query(scope)
    days = days_of(span, scope.now)
    rows = await query.rows(
        store,
        f"""
        WITH ({LINKED}) AS linked
        SELECT {person_name("id", "linked")} AS name, active_days, page_views, interactions, latest
        FROM ({_people(query, span)})
        ORDER BY {_score(query, days)} DESC, name LIMIT {MAX_TOP}
        """,
    )
    return [
        ActiveUser(
            row["name"],
            row["active_days"],
            row["page_views"],
            row["interactions"],
            from_epoch_ms(row["latest"]),
            days,
        )
        for row in rows
    ]


def _people(query: Query, span: Timespan) -> str:
    """A row for each active person: one of their ids, and what they did."""
    found = f"""
        SELECT user, {query.day} AS day, any(distinct_id) AS id,
            countIf({query.matches(PAGE_VIEWS)}) AS pages,
            countIf({query.matches(INTERACTIONS)}) AS reactions, max({MS}) AS latest
        FROM {query.events(ACTIVE, span.start, span.end)} GROUP BY user, day
    """
    return f"""
        SELECT any(found.id) AS id, uniqExact(found.day) AS active_days, sum(found.pages) AS page_views,
            sum(found.reactions) AS interactions, max(found.latest) AS latest
        FROM {of_persons(found)} GROUP BY {PERSON}
    """


def _score(query: Query, days: int) -> str:
    """``loopin_schemas.scores.engagement`` in SQL."""
    of = query.bind(days, "UInt32")

    def saturating(name: str, middling: float) -> str:
        return f"({name} / {of}) / ({name} / {of} + {middling})"

    weights = engagement.WEIGHTS
    return (
        f"({weights['presence']} * active_days / {of}"
        f" + {weights['reactions']} * {saturating('interactions', engagement.REACTIONS_A_DAY)}"
        f" + {weights['page_views']} * {saturating('page_views', engagement.PAGE_VIEWS_A_DAY)})"
    )


def _level(score: str) -> str:
    tests = ", ".join(f"{score} >= {least}, '{level}'" for least, level in engagement.LEVELS)
    return f"multiIf({tests}, 'low')"
