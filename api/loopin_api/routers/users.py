"""GET /api/analytics/users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from loopin_api.envelope import Detail, Moment, Success
from loopin_api.errors import invalid
from loopin_api.ids import answered_id
from loopin_api.metric_filters import Filters, scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.users import MAX_TOP, ActiveUser, users
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_schemas.scores.engagement import (
    ActivityLevel,
    EngagementLevel,
    activity_level,
    engagement_level,
)

router = APIRouter(tags=["users"])


class ByActivity(BaseModel):
    """Users by how often they were there."""

    inactive: int = Field(description="Users seen before, but not in the time asked for, count.")
    low: int = Field(description="Active on fewer than one day in seven, count.")
    medium: int = Field(description="Active on one day in seven or more, count.")
    high: int = Field(description="Active on three days in seven or more, count.")


class ByEngagement(BaseModel):
    """Active users by their score."""

    low: int = Field(description="Active users with a score below 0.25, count.")
    medium: int = Field(description="Active users with a score from 0.25 on, count.")
    high: int = Field(description="Active users with a score from 0.5 on, count.")
    very_high: int = Field(description="Active users with a score from 0.75 on, count.")


class TopUser(BaseModel):
    """One of the most engaged users."""

    user_id: int | str = Field(description="The distinct_id that names the person; digits are a number.")
    engagement_score: float = Field(
        description="From days active, page views, and likes, comments and shares, 0 to 1."
    )
    engagement_level: EngagementLevel = Field(description="The quarter of the scale that the score is in.")
    activity_level: ActivityLevel = Field(description="By the share of days with an event.")
    active_days: int = Field(description="Days with an event in the time asked for, count.")
    page_views: int = Field(description="`$pageview`, count.")
    content_interactions: int = Field(description="Likes, comments and shares, count.")
    last_activity: Moment = Field(description="Last event in the time asked for, ISO 8601 in UTC.")


class UserAnalytics(BaseModel):
    """The users of a project."""

    total_users: int = Field(description="Users ever active by the end of the time asked for, count.")
    new_users: int = Field(description="Of these, those first active within it, count.")
    active_users: int = Field(
        description="Users with an event within it, those of the system group apart, count."
    )
    by_activity_level: ByActivity = Field(description="All users by how often they were there, count.")
    engagement_distribution: ByEngagement = Field(description="Active users by their score, count.")
    top_users: list[TopUser] = Field(description=f"The {MAX_TOP} with the greatest score, greatest first.")
    period_start: Moment = Field(description="Start of the time asked for, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


_EXAMPLE: Final = {
    "total_users": 1250,
    "new_users": 140,
    "active_users": 410,
    "by_activity_level": {"inactive": 840, "low": 250, "medium": 120, "high": 40},
    "engagement_distribution": {"low": 300, "medium": 80, "high": 25, "very_high": 5},
    "top_users": [
        {
            "user_id": 42,
            "engagement_score": 0.81,
            "engagement_level": "very_high",
            "activity_level": "high",
            "active_days": 27,
            "page_views": 340,
            "content_interactions": 61,
            "last_activity": "2026-01-15T10:12:00.000Z",
        }
    ],
    "period_start": "2025-12-17T00:00:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "tz": "UTC",
    "freshness_s": 1.204,
    "basis": "persons",
}


@router.get(
    "/api/analytics/users",
    summary="Who uses the product, how often and how much",
    responses={**success("The users.", _EXAMPLE), **failures(*COMMON)},
)
async def get_users(use: Use, caller: Reader, times: Times, where: Filters) -> Success[UserAnalytics]:
    """Users in all, new, active, by activity and engagement, and the most engaged. Needs the scope `read`.

    With filters, of the events that have these values.
    """
    if "event" in where:
        reason = "Users cannot be filtered by this; ask metrics for the users of one event."
        raise invalid([Detail(field="event", reason=reason)])
    span = times.span()
    scope = scope_of(use, caller.project, span, where, bots=False)
    found = await users(use.store, scope, span)
    return Success(
        data=UserAnalytics.model_validate(
            {
                "total_users": found.total,
                "new_users": found.new,
                "active_users": found.active,
                "by_activity_level": _filled(ByActivity, found.by_activity),
                "engagement_distribution": _filled(ByEngagement, found.by_engagement),
                "top_users": [_told(user) for user in found.top],
                "period_start": span.start,
                "period_end": span.end,
                "tz": span.zone_name,
                "freshness_s": await freshness_s(use.store, times.now),
                "basis": "persons",
            }
        )
    )


def _filled(model: type[BaseModel], numbers: Mapping[Any, int]) -> dict[str, int]:
    return {name: numbers.get(name, 0) for name in model.model_fields}


def _told(user: ActiveUser) -> TopUser:
    return TopUser(
        user_id=answered_id(user.user),
        engagement_score=user.engagement_score,
        engagement_level=engagement_level(user.engagement_score),
        activity_level=activity_level(user.active_days, user.days),
        active_days=user.active_days,
        page_views=user.page_views,
        content_interactions=user.interactions,
        last_activity=user.last_activity,
    )
