"""GET /api/analytics/users/{id}."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from loopin_api.envelope import Moment, Success
from loopin_api.errors import ApiError
from loopin_api.ids import answered_id
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries import user as asked
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.metrics import MAX_POINTS
from loopin_api.queries.user import Engagement, Person, Seen
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_api.timespan import Timespan
from loopin_schemas.scores.engagement import (
    ActivityLevel,
    EngagementLevel,
    activity_level,
    engagement_level,
)
from loopin_sinks.metric_values.scope import Periods, from_epoch_ms, periods

router = APIRouter(tags=["users"])

PeriodGrain = Literal["day", "week", "month"]

_GRAINS: Final[tuple[PeriodGrain, ...]] = ("day", "week", "month")


class Scores(BaseModel):
    """How much a user makes of the product."""

    engagement_score: float = Field(
        description="From days active, page views, and likes, comments and shares, 0 to 1."
    )
    engagement_level: EngagementLevel = Field(description="The quarter of the scale that the score is in.")
    activity_level: ActivityLevel = Field(description="By the share of days with an event.")


class UserProfile(Scores):
    """Who a user is, and their scores over the time asked for."""

    user_id: int | str = Field(description="The distinct_id that names the person; digits are a number.")
    distinct_ids: list[str] = Field(description="All ids of the person.")
    first_seen: Moment = Field(description="First event of all that are stored, ISO 8601 in UTC.")
    last_seen: Moment = Field(description="Last event up to now, ISO 8601 in UTC.")
    country: str | None = Field(description="The latest that an event named; null for none.")
    city: str | None = Field(description="The latest that an event named; null for none.")
    device: str | None = Field(description="The latest that an event named; null for none.")
    revenue: float = Field(description="Tickets bought less refunds in the time asked for, in `currency`.")
    currency: str = Field(description="Currency of revenue, ISO 4217.")


class UserEngagement(Scores):
    """A user in one period."""

    date_: date = Field(alias="date", description="First day of the period, YYYY-MM-DD.")
    week_start: date = Field(description="Monday of that day's week, YYYY-MM-DD.")
    month_start: date = Field(description="First of that day's month, YYYY-MM-DD.")
    session_count: int = Field(description="Sessions begun, count.")
    session_duration_total: float = Field(description="From first to last event of all of them, seconds.")
    page_views: int = Field(description="`$pageview`, count.")
    unique_page_views: int = Field(description="Pairs of session and path of `$pageview`, count.")
    content_interactions: int = Field(description="Likes, comments and shares, count.")
    search_count: int = Field(description="`search_performed`, count.")
    content_created: int = Field(description="`content_created`, count.")
    active_days: int = Field(description="Days with an event, count.")
    last_activity: Moment | None = Field(description="Last event, ISO 8601 in UTC; null without any.")
    retention_days: int | None = Field(
        description="Days from the user's first active day to the last one in the period, count; null where "
        "they were not active in it."
    )


class TimelineEvent(BaseModel):
    """Something that a user did."""

    at: Moment = Field(description="When, ISO 8601 in UTC.")
    event: str = Field(description="What.")
    session_id: str | None = Field(description="In which session; null where the event names none.")
    path: str | None = Field(description="On which page; null where the event names none.")
    content_type: str | None = Field(description="On what kind of content; null for none.")
    object_id: int | str | None = Field(description="On which piece of content; null for none.")
    event_id: int | str | None = Field(description="Of which platform event; null for none.")
    community_id: int | str | None = Field(description="In which community; null for none.")


class OneUser(BaseModel):
    """A user."""

    profile: UserProfile = Field(description="Who they are.")
    grain: PeriodGrain = Field(
        description=f"Length of the periods; longer than asked for where they were more than {MAX_POINTS}."
    )
    engagement: list[UserEngagement] = Field(description="One for each period, in order.")
    timeline: list[TimelineEvent] = Field(
        description="Their latest events of the time asked for, the newest first; those of the system group "
        "apart."
    )
    period_start: Moment = Field(description="Start of the time asked for, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


_SCORES: Final = {"engagement_score": 0.62, "engagement_level": "high", "activity_level": "high"}
_EXAMPLE: Final = {
    "profile": {
        **_SCORES,
        "user_id": 42,
        "distinct_ids": ["42", "anon-7f"],
        "first_seen": "2025-11-02T08:15:00.000Z",
        "last_seen": "2026-01-15T10:12:00.000Z",
        "country": "IN",
        "city": "Mumbai",
        "device": "mobile",
        "revenue": 1500.0,
        "currency": "INR",
    },
    "grain": "day",
    "engagement": [
        {
            **_SCORES,
            "date": "2026-01-15",
            "week_start": "2026-01-12",
            "month_start": "2026-01-01",
            "session_count": 2,
            "session_duration_total": 840.0,
            "page_views": 11,
            "unique_page_views": 8,
            "content_interactions": 3,
            "search_count": 1,
            "content_created": 0,
            "active_days": 1,
            "last_activity": "2026-01-15T10:12:00.000Z",
            "retention_days": 74,
        }
    ],
    "timeline": [
        {
            "at": "2026-01-15T10:12:00.000Z",
            "event": "content_liked",
            "session_id": "s-81",
            "path": None,
            "content_type": "article",
            "object_id": 17,
            "event_id": None,
            "community_id": None,
        }
    ],
    "period_start": "2025-12-17T00:00:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "tz": "UTC",
    "freshness_s": 1.204,
    "basis": "persons",
}


@router.get(
    "/api/analytics/users/{user_id:path}",
    summary="What one user does",
    responses={**success("The user.", _EXAMPLE), **failures(404, *COMMON)},
)
async def get_user(
    use: Use,
    caller: Reader,
    times: Times,
    user_id: Annotated[str, Path(max_length=400, description="Any distinct_id of the person.")],
    grain: Annotated[PeriodGrain, Query(description="Length of the periods.")] = "day",
    events: Annotated[int, Query(ge=0, le=200, description="Most events of the timeline.")] = 50,
) -> Success[OneUser]:
    """A user's profile, engagement by period, and latest events. Needs the scope `read`.

    The project's own people can be asked for, too.
    """
    span = times.span()
    person = await asked.person_of(use.store, caller.project, user_id)
    scope = replace(
        scope_of(use, caller.project, span, {}, bots=False), users=person.distinct_ids, internal=()
    )
    seen = await asked.seen(use.store, scope)
    if seen is None:
        raise ApiError(404, "UNKNOWN_USER", "There are no events of this user; check the id.")
    chosen, within = _course(span, grain)
    rows, (whole,), revenue, timeline = await asyncio.gather(
        asked.engagement(use.store, scope, seen.first, within),
        asked.engagement(use.store, scope, seen.first, Periods((span.start, span.end))),
        asked.revenue(use.store, scope, span),
        asked.timeline(use.store, scope, span, events),
    )
    return Success(
        data=OneUser.model_validate(
            {
                "profile": {**_profile(person, seen, whole), "revenue": revenue, "currency": scope.currency},
                "grain": chosen,
                "engagement": [_engagement(row, span) for row in rows],
                "timeline": [_event(row) for row in timeline],
                "period_start": span.start,
                "period_end": span.end,
                "tz": span.zone_name,
                "freshness_s": await freshness_s(use.store, times.now),
                "basis": "persons",
            }
        )
    )


def _course(span: Timespan, asked_for: PeriodGrain) -> tuple[PeriodGrain, Periods]:
    for grain in _GRAINS[_GRAINS.index(asked_for) :]:
        within = periods(grain, span.start, span.end, span.zone)
        if len(within) <= MAX_POINTS:
            break
    return grain, within


def _scores(row: Engagement) -> dict[str, Any]:
    return {
        "engagement_score": row.engagement_score,
        "engagement_level": engagement_level(row.engagement_score),
        "activity_level": activity_level(row.active_days, row.days),
    }


def _profile(person: Person, seen: Seen, whole: Engagement) -> dict[str, Any]:
    return {
        **_scores(whole),
        "user_id": answered_id(person.name),
        "distinct_ids": list(person.distinct_ids),
        "first_seen": seen.first,
        "last_seen": seen.last,
        "country": seen.country or None,
        "city": seen.city or None,
        "device": seen.device or None,
    }


def _engagement(row: Engagement, span: Timespan) -> dict[str, Any]:
    day = row.start.astimezone(span.zone).date()
    told = {name: getattr(row, name) for name in UserEngagement.model_fields if hasattr(row, name)}
    return {
        **told,
        **_scores(row),
        "date": day,
        "week_start": day - timedelta(days=day.weekday()),
        "month_start": day.replace(day=1),
    }


def _event(row: dict[str, Any]) -> dict[str, Any]:
    ids = {
        name: answered_id(row[name]) if row[name] else None
        for name in ("object_id", "event_id", "community_id")
    }
    texts = {name: row[name] or None for name in ("session_id", "path", "content_type")}
    return {"at": from_epoch_ms(row["at"]), "event": row["event"], **texts, **ids}
