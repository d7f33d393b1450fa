"""/api/daily: document 004's daily analytics, one day a row."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from loopin_api.auth import Caller
from loopin_api.correcting import (
    CorrectedRow,
    CorrectionRequest,
    Corrector,
    DayRequest,
    correction_fields,
    day_of,
    own_zone,
    stands,
    unlike_computed,
)
from loopin_api.envelope import Detail, Moment
from loopin_api.errors import invalid
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import page as page_of
from loopin_api.pages import Listed, Paged, listed
from loopin_api.queries import daily as asked
from loopin_api.queries.days import dates_of
from loopin_api.routers.corrected import Row, add_rows
from loopin_api.services import Reader, Services, Use
from loopin_api.time_filters import Times
from loopin_api.timespan import last_days
from loopin_schemas.corrections import Correction
from loopin_sinks.metric_values.scope import EPOCH, Scope, from_epoch_ms

router = APIRouter(tags=["daily analytics"])

Ordering = Literal["date", "-date"]


class _Head(BaseModel):
    id: str = Field(description="The day, YYYY-MM-DD.")
    date: datetime.date = Field(description="The day, YYYY-MM-DD, of the project's time zone.")


class DailyNumbers(BaseModel):
    """What is computed of a day, and may be put right."""

    new_users: int = Field(0, ge=0, description="Sign-ups, count; the same as `new_registrations`.")
    active_users: int = Field(0, ge=0, description="Persons with an event, the system group's apart, count.")
    total_users: int = Field(0, ge=0, description="Persons ever active by the end of the day, count.")
    new_registrations: int = Field(0, ge=0, description="Sign-ups, count.")
    new_posts: int = Field(0, ge=0, description="Pieces of content created, count.")
    new_comments: int = Field(0, ge=0, description="Comments on content, count.")
    total_likes: int = Field(0, ge=0, description="Likes of content on that day, count.")
    total_shares: int = Field(0, ge=0, description="Shares of content on that day, count.")
    total_interactions: int = Field(
        0, ge=0, description="Likes, comments and shares, count; the same as `content_interactions`."
    )
    avg_session_duration: float | None = Field(
        None, ge=0, description="Mean length of the sessions begun, seconds; null without any."
    )
    bounce_rate: float | None = Field(
        None, ge=0, le=1, description="Sessions with one page view and no more, of those with one, 0 to 1."
    )
    avg_response_time: float | None = Field(
        None, ge=0, description="Mean time to answer of `api_request`, ms; null without any."
    )
    error_count: int = Field(
        0, ge=0, description="Logged errors and critical ones, exceptions and crashes, count."
    )
    community_views: int = Field(0, ge=0, description="Visits of communities, count.")
    community_joins: int = Field(0, ge=0, description="Users who became members of communities, count.")
    average_online_members: float = Field(
        0, ge=0, description="Mean over the minutes of the members active within 5 minutes, count."
    )
    peak_community_activity: int = Field(0, ge=0, description="The most of them in a minute, count.")
    geo_access_attempts: int = Field(0, ge=0, description="Attempts to enter restricted communities, count.")
    geo_blocked_attempts: int = Field(0, ge=0, description="Those refused, count.")
    geo_allowed_access: int = Field(0, ge=0, description="Those let in, count.")
    traveler_access_count: int = Field(0, ge=0, description="Those of persons away from home, count.")
    content_views: int = Field(0, ge=0, description="Pieces of content seen, count.")
    content_interactions: int = Field(0, ge=0, description="Likes, comments and shares of content, count.")
    api_requests: int = Field(0, ge=0, description="Requests that the backend answered, count.")


class _Tail(CorrectedRow):
    created_at: Moment = Field(
        description="When the day began, or somebody created its row; ISO 8601 in UTC."
    )


class DailyAnalytics(_Tail, DailyNumbers, _Head):
    """One day."""


class _Said(CorrectionRequest, DailyNumbers):
    def values(self) -> dict[str, Any]:
        """What was said; of two fields that mean the same, what was said of one is said of both."""
        values = super().values()
        for alias, name in asked.ALIASES.items():
            said = {values[each] for each in (alias, name) if each in values}
            if len(said) > 1:
                reason = f"It means the same as {name}; give both one value."
                raise invalid([Detail(field=alias, reason=reason)])
            values |= {each: value for value in said for each in (alias, name)}
        return values


class DailyCorrectionRequest(_Said):
    """What to put right of a day; what is not named stays, or with PUT is computed again."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {"date", "created_at"}


class DailyRequest(_Said, DayRequest):
    """A day, and what overrides what is computed of it."""

    READ_ONLY: ClassVar[frozenset[str]] = CorrectionRequest.READ_ONLY | {"created_at"}


_EXAMPLE: Final[dict[str, Any]] = {
    "id": "2026-01-14",
    "date": "2026-01-14",
    "new_users": 12,
    "active_users": 410,
    "total_users": 1250,
    "new_registrations": 12,
    "new_posts": 31,
    "new_comments": 64,
    "total_likes": 220,
    "total_shares": 18,
    "total_interactions": 302,
    "avg_session_duration": 412.5,
    "bounce_rate": 0.41,
    "avg_response_time": 83.2,
    "error_count": 3,
    "community_views": 140,
    "community_joins": 9,
    "average_online_members": 3.4,
    "peak_community_activity": 21,
    "geo_access_attempts": 45,
    "geo_blocked_attempts": 12,
    "geo_allowed_access": 33,
    "traveler_access_count": 4,
    "content_views": 900,
    "content_interactions": 302,
    "api_requests": 5200,
    "corrected_fields": [],
    "corrected_at": None,
    "corrected_by": None,
    "note": "",
    "created_at": "2026-01-14T00:00:00.000Z",
}


@router.get(
    "/api/daily",
    summary="List daily analytics",
    responses=page_of("A page of days.", _EXAMPLE),
)
async def get_days(
    use: Use,
    caller: Reader,
    times: Times,
    page: Paged,
    ordering: Annotated[Ordering, Query(description="By day; `-`: the latest first.")] = "-date",
) -> Listed[DailyAnalytics]:
    """The days that the time asked for reaches into, from the first event's on. Needs the scope `read`."""
    start, end = dates_of(own_zone(times).span())
    days = await _days(use, caller)
    there = [day for day in days.between(start, end) if days.exists(day)]
    there.sort(reverse=ordering.startswith("-"))
    shown = there[page.offset : page.offset + page.size]
    return listed(page, len(there), await _rows(use, days, shown))


class _Days:
    """Which days have a row: from that of the first event to today, or created, and not deleted."""

    def __init__(self, corrector: Corrector, scope: Scope, first: datetime.date | None) -> None:
        self.corrector = corrector
        self.scope = scope
        self.first = first
        self.today = scope.now.astimezone(scope.zone).date()

    def computed(self, day: datetime.date) -> bool:
        """Whether there is something to compute."""
        return self.first is not None and self.first <= day <= self.today

    def exists(self, day: datetime.date) -> bool:
        """Whether the day has a row."""
        return stands(self.corrector.known(str(day)), self.computed(day))

    def between(self, start: datetime.date, end: datetime.date) -> list[datetime.date]:
        """All days that may have a row, until before ``end``."""
        made = self.corrector.use.corrections.of(self.corrector.caller.project, "daily")
        created = {datetime.date.fromisoformat(row) for row, item in made.items() if item.body.created}
        found = {day for day in created if start <= day < end}
        if self.first is not None:
            begin, stop = max(start, self.first), min(end, self.today + datetime.timedelta(days=1))
            found |= {begin + datetime.timedelta(days=n) for n in range((stop - begin).days)}
        return sorted(found)


async def _days(use: Services, caller: Caller) -> _Days:
    now = use.clock()
    zone = use.projects.zone(caller.project)
    scope = scope_of(use, caller.project, last_days(1, now, zone), {}, bots=False)
    return _Days(Corrector(use, caller, "daily"), scope, await asked.first_day(use.store, scope))


async def _rows(use: Services, days: _Days, shown: list[datetime.date]) -> list[DailyAnalytics]:
    found = await _computed(use, days, shown)
    return [_row(day, found.get(day, {}), days.corrector.known(str(day)), days.scope) for day in shown]


async def _computed(
    use: Services, days: _Days, shown: list[datetime.date]
) -> Mapping[datetime.date, dict[str, Any]]:
    computed = [day for day in shown if days.computed(day)]
    return await asked.daily(use.store, days.scope, min(computed), max(computed)) if computed else {}


def _row(
    day: datetime.date, computed: Mapping[str, Any], known: Correction | None, scope: Scope
) -> DailyAnalytics:
    return DailyAnalytics.model_validate(
        {
            "id": str(day),
            "date": day,
            **computed,
            **({} if known is None else known.values),
            **correction_fields(known),
            "created_at": _created_at(day, known, scope),
        }
    )


def _created_at(day: datetime.date, known: Correction | None, scope: Scope) -> datetime.datetime:
    if known is not None and known.created:
        return from_epoch_ms(known.at)
    return scope.midnight((day - EPOCH).days)


async def _find(use: Services, caller: Caller, id: str) -> Row | None:
    day = day_of(id)
    if day is None:
        return None
    days = await _days(use, caller)
    known = days.corrector.known(str(day))
    computed = (await _computed(use, days, [day])).get(day, {})

    async def answer() -> DailyAnalytics:
        return _row(day, computed, known, days.scope)

    kept = partial(unlike_computed, _row(day, computed, None, days.scope))
    fixed = {"id", "date"}
    if days.computed(day) and not (known is not None and known.created):
        fixed.add("created_at")
    return Row(str(day), known, days.computed(day), answer, kept, frozenset(fixed))


add_rows(
    router,
    name="daily",
    noun="day",
    origin="computed",
    id="The day, YYYY-MM-DD.",
    answers=DailyAnalytics,
    example=_EXAMPLE,
    changed={"error_count": 2, "note": "One was a drill."},
    body=DailyCorrectionRequest,
    find=_find,
    made=DailyRequest,
)
