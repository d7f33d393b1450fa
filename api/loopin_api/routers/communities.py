"""GET /api/community-analytics/{id}/realtime and /report: document 004's communities."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from loopin_api.date_range import DateRange, date_range
from loopin_api.ids import answered_id
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, bare, failures
from loopin_api.queries import communities as asked
from loopin_api.queries.communities import Busy
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.metrics import MAX_POINTS
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Grain
from loopin_schemas.scores.community_activity import MOST, community_activity_score
from loopin_schemas.scores.current_activity import CurrentActivity, current_activity

router = APIRouter(tags=["communities"])

DEFAULT_DAYS: Final = 7

Community = Annotated[
    str,
    Path(
        alias="id",
        min_length=1,
        max_length=200,
        description="The community, as events name it in `community_id`. One that no event names has zeros.",
    ),
]

FRESHNESS: Final = "Seconds since the newest stored event was received; null without events."
BASIS: Final = "What counts as one user: a person with all their distinct_ids."
COMMUNITY: Final = "The community; a number where it is decimal digits below 2^53."


class Realtime(BaseModel):
    """A community at the moment."""

    community_id: int | str = Field(description=COMMUNITY)
    online_members: int = Field(
        description="Persons with an event of the community within the last 5 minutes, count; events of the "
        "system group apart."
    )
    activity_score: float = Field(
        ge=0,
        le=MOST,
        description="How alive it is, 0 to 10, to one decimal: `10 * (0.4 a/(a+50) + 0.3 b/(b+250) + "
        "0.3 c/(c+10))` of a = `active_members_24h`, b = `actions_24h`, c = `online_members`.",
    )
    peak_members_today: int = Field(
        description="Most persons online at once since midnight, count: of the day's minutes "
        "(`peak_community_activity`) and now."
    )
    current_activity: CurrentActivity = Field(
        description="`online_members` against the most at once of today and the 6 days before: high from two "
        "thirds on, medium from one third on; low with fewer than 3 online."
    )
    active_members_24h: int = Field(
        description="Persons with an event of the community within the last 24 hours, count."
    )
    actions_24h: int = Field(description="Events of the community within the last 24 hours, count.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(description=FRESHNESS)
    basis: Literal["persons"] = Field(description=BASIS)


class Activity(BaseModel):
    """What happened in a part of the time."""

    actions: int = Field(description="Events of the community, count; those of the system group apart.")
    members: int = Field(description="Distinct persons with one, count.")


class HourOfDay(Activity):
    """An hour of the day, over all days of the range."""

    hour: int = Field(ge=0, le=23, description="From this full hour of the time zone, 0 to 23.")


class DayOfRange(Activity):
    """A day, or, of a long range, a week or a month."""

    date: datetime.date = Field(description="Its day, or its first one in the range, YYYY-MM-DD.")


class DayOfWeek(Activity):
    """A day of the week, over all weeks of the range."""

    weekday: int = Field(ge=1, le=7, description="1 is Monday, 7 Sunday (ISO 8601).")


class ActivityPatterns(BaseModel):
    """When a community is active, in the time zone."""

    hourly: list[HourOfDay] = Field(description="The 24 hours of the day.")
    daily: list[DayOfRange] = Field(
        description=f"The days of the range in order, the last up to now; at most {MAX_POINTS}, see `grain`."
    )
    weekly: list[DayOfWeek] = Field(description="The 7 days of the week.")
    grain: Grain = Field(
        description=f"Length of the parts of `daily`: day; week or month where more than {MAX_POINTS}."
    )


class CommunityMetrics(BaseModel):
    """A community over a range of days."""

    total_views: int = Field(description="Visits (`community_viewed`), count.")
    unique_visitors: int = Field(description="Distinct persons with a visit, count.")
    peak_online_members: int = Field(
        description="Most persons active within 5 minutes in any minute of the range, count."
    )
    average_session_duration: float | None = Field(
        description="Mean of the sessions begun in the range, minutes, to two decimals; null without any. A "
        "session here is what a person does in this community under one `session_id`, or without a pause of "
        "more than 30 minutes where events name none, from its first event to its last."
    )
    member_retention: float | None = Field(
        description="Of `members_at_start`, those who did anything in the community within the range but "
        "leave it, percent (0 to 100), to one decimal; null without members."
    )
    members_at_start: int = Field(
        description="Persons whose latest `community_joined` before the range no `community_left` followed, "
        "as far as events are kept, count."
    )
    joins: int = Field(description="`community_joined`, count.")
    leaves: int = Field(description="`community_left`, count.")
    activity_patterns: ActivityPatterns = Field(description="When it is active.")
    peak_hours: list[int] = Field(
        description="Hours of the day (0 to 23, in the time zone) with the most events, at most "
        f"{asked.MAX_PEAK_HOURS}, busiest first; of equal ones the earlier."
    )


class CommunityReport(BaseModel):
    """A community over a range of days."""

    community_id: int | str = Field(description=COMMUNITY)
    date_range: DateRange = Field(description="Days covered, the last up to now.")
    metrics: CommunityMetrics = Field(description="Its numbers.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(description=FRESHNESS)
    basis: Literal["persons"] = Field(description=BASIS)


_REALTIME: Final = {
    "community_id": 123,
    "online_members": 45,
    "activity_score": 8.7,
    "peak_members_today": 67,
    "current_activity": "high",
    "active_members_24h": 310,
    "actions_24h": 3140,
    "tz": "Asia/Kolkata",
    "freshness_s": 1.2,
    "basis": "persons",
}
_QUIET: Final = {"actions": 0, "members": 0}
_REPORT: Final = {
    "community_id": 123,
    "date_range": {"start": "2024-12-01", "end": "2024-12-08"},
    "metrics": {
        "total_views": 1245,
        "unique_visitors": 289,
        "peak_online_members": 67,
        "average_session_duration": 12.5,
        "member_retention": 85.2,
        "members_at_start": 230,
        "joins": 31,
        "leaves": 4,
        "activity_patterns": {
            "hourly": [{**_QUIET, "hour": 0}, {"actions": 214, "members": 96, "hour": 20}],
            "daily": [{"actions": 402, "members": 118, "date": "2024-12-01"}],
            "weekly": [{"actions": 402, "members": 118, "weekday": 7}],
            "grain": "day",
        },
        "peak_hours": [20, 21, 19],
    },
    "tz": "Asia/Kolkata",
    "freshness_s": 1.2,
    "basis": "persons",
}


@router.get(
    "/api/community-analytics/{id}/realtime",
    summary="A community now",
    responses={**bare("Its numbers at the moment", _REALTIME), **failures(*COMMON)},
)
async def get_realtime(caller: Reader, use: Use, community: Community) -> Realtime:
    """Who is there, and how busy that is. Days begin in the project's time zone. Needs the scope `read`."""
    now = use.clock()
    zone = use.projects.zone(caller.project)
    scope = scope_of(use, caller.project, Timespan(now, now, zone), {}, bots=False)
    found = await asked.realtime(use.store, scope, community)
    score = community_activity_score(found.members, found.actions, found.online)
    return Realtime(
        community_id=answered_id(community),
        online_members=found.online,
        activity_score=round(score, 1),
        peak_members_today=found.peak_today,
        current_activity=current_activity(found.online, found.peak_week),
        active_members_24h=found.members,
        actions_24h=found.actions,
        tz=scope.zone_name,
        freshness_s=await freshness_s(use.store, now),
        basis="persons",
    )


@router.get(
    "/api/community-analytics/{id}/report",
    summary="A community over a range of days",
    responses={**bare("Its numbers in the range", _REPORT), **failures(*COMMON)},
)
async def get_report(caller: Reader, use: Use, times: Times, community: Community) -> CommunityReport:
    """Of the last 7 days by default: today so far, and the 6 days before it. Needs the scope `read`."""
    span = times.span(DEFAULT_DAYS)
    scope = scope_of(use, caller.project, span, {}, bots=False)
    found = await asked.report(use.store, scope, community, span)
    return CommunityReport(
        community_id=answered_id(community),
        date_range=date_range(span),
        metrics=_metrics(found),
        tz=span.zone_name,
        freshness_s=await freshness_s(use.store, times.now),
        basis="persons",
    )


def _metrics(found: asked.Report) -> CommunityMetrics:
    minutes, retention = found.session_minutes, found.retention
    return CommunityMetrics(
        total_views=found.views,
        unique_visitors=found.visitors,
        peak_online_members=found.peak_online,
        average_session_duration=None if minutes is None else round(minutes, 2),
        member_retention=None if retention is None else round(retention * 100, 1),
        members_at_start=found.members,
        joins=found.joins,
        leaves=found.leaves,
        activity_patterns=ActivityPatterns(
            hourly=[HourOfDay(hour=hour, **_activity(one)) for hour, one in enumerate(found.hourly)],
            daily=[DayOfRange(date=day, **_activity(one)) for day, one in found.series],
            weekly=[DayOfWeek(weekday=day, **_activity(one)) for day, one in enumerate(found.weekly, 1)],
            grain=found.grain,
        ),
        peak_hours=found.peak_hours,
    )


def _activity(of: Busy) -> dict[str, Any]:
    return {"actions": of.actions, "members": of.members}
