"""GET /api/analytics/content and /api/analytics/content/{type}/{id}."""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta, tzinfo
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from loopin_api.date_range import DateRange, date_range
from loopin_api.envelope import Detail, Moment, Success
from loopin_api.errors import ApiError, invalid
from loopin_api.ids import answered_id
from loopin_api.metric_filters import Filters, scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.pages import Paged
from loopin_api.queries import content as asked
from loopin_api.queries.content import MAX_SOURCES, OTHER, Order, PieceNumbers, Sort
from loopin_api.queries.days import day_periods
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.metrics import MAX_POINTS
from loopin_api.services import Reader, Services, Use
from loopin_api.time_filters import Times
from loopin_api.timespan import Timespan
from loopin_sinks.content.pieces import Piece
from loopin_sinks.metric_values.scope import Periods

router = APIRouter(tags=["content"])

TRENDING_DAYS: Final = 7
"""What is older weighs less than a hundredth of what is new."""


class Measures(BaseModel):
    """What a piece of content came to."""

    view_count: int = Field(description="`content_viewed`, count.")
    unique_views: int = Field(description="Users who saw it, count.")
    time_on_page: float | None = Field(
        description="Mean `duration_s` of `content_left`, seconds; null without any."
    )
    bounce_rate: float | None = Field(
        description="Of the visits in which it was seen, those in which nothing else was seen or done, ratio "
        "0 to 1; null without visits. A visit is a user's events of one day and one `session_id`, or none."
    )
    social_shares: int = Field(description="`content_shared`, count.")
    comments_count: int = Field(description="`content_commented`, count.")
    likes_count: int = Field(description="`content_liked`, count.")
    search_appearances: int = Field(description="`search_result_shown`, count.")
    click_through_rate: float | None = Field(
        description="`search_result_clicked` / `search_result_shown`, ratio; null without the latter."
    )
    engagement_rate: float | None = Field(
        description="Likes, comments and shares / views, ratio; null without views."
    )
    quality_score: float | None = Field(
        description="From engagement, time on page, bounces and clicks, 0 to 1; 0.5 is middling; null "
        "without views."
    )
    trending_score: float = Field(
        description="What users turned to of late, 0 to 1: each user's latest view, like, comment and share "
        "count, half as much for every 24 hours that have passed by the end of the time asked for."
    )
    traffic_sources: dict[str, int] = Field(
        description="Views, count, by where they came from: the campaign's source, else the site of the "
        f"referrer, `internal` for the own one, `direct` for none. Beyond {MAX_SOURCES}, `{OTHER}`."
    )


class ContentRow(Measures):
    """A piece of content over the time asked for."""

    content_type: str = Field(description="Kind of content.")
    object_id: int | str = Field(description="The piece; ids of digits are numbers.")
    date_range: DateRange = Field(description="Days that the numbers are of.")


class ContentPage(BaseModel):
    """A page of pieces of content."""

    count: int = Field(description="Pieces with events in the time asked for, count.")
    next: str | None = Field(description="Address of the next page; null on the last.")
    previous: str | None = Field(description="Address of the page before; null on the first.")
    results: list[ContentRow] = Field(description="The pieces of this page, in the order asked for.")
    sort: Sort = Field(description="What they are in order by.")
    period_start: Moment = Field(description="Start of the time asked for, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


class ContentPoint(Measures):
    """A piece of content in one period."""

    at: Moment = Field(description="Start of the period, ISO 8601 in UTC.")
    date_: date = Field(alias="date", description="Its first day, ISO 8601.")
    week_start: date = Field(description="Monday of that day's week, ISO 8601.")
    month_start: date = Field(description="First of that day's month, ISO 8601.")


class ContentDetail(ContentRow):
    """A piece of content over the time asked for, and in its course."""

    grain: Literal["day", "week", "month"] = Field(
        description=f"Length of the periods: a day, or longer where they were more than {MAX_POINTS}."
    )
    series: list[ContentPoint] = Field(description="One point for each period, in order.")
    period_start: Moment = Field(description="Start of the time asked for, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


_MEASURES: Final = {
    "view_count": 180,
    "unique_views": 121,
    "time_on_page": 74.5,
    "bounce_rate": 0.3,
    "social_shares": 9,
    "comments_count": 14,
    "likes_count": 31,
    "search_appearances": 400,
    "click_through_rate": 0.06,
    "engagement_rate": 0.3,
    "quality_score": 0.649,
    "trending_score": 0.71,
    "traffic_sources": {"direct": 80, "newsletter": 60, "google.com": 40},
}
_ROW: Final = {
    **_MEASURES,
    "content_type": "article",
    "object_id": 17,
    "date_range": {"start": "2025-12-17", "end": "2026-01-16"},
}
_END: Final = {
    "period_start": "2025-12-17T00:00:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "tz": "UTC",
    "freshness_s": 1.204,
    "basis": "persons",
}
_PAGE: Final = {
    "count": 21,
    "next": "/api/analytics/content?page=2",
    "previous": None,
    "results": [_ROW],
    "sort": "view_count",
    **_END,
}
_DETAIL: Final = {
    **_ROW,
    "grain": "day",
    "series": [
        {
            **_MEASURES,
            "at": "2026-01-15T00:00:00.000Z",
            "date": "2026-01-15",
            "week_start": "2026-01-12",
            "month_start": "2026-01-01",
        }
    ],
    **_END,
}


@router.get(
    "/api/analytics/content",
    summary="How pieces of content do",
    responses={**success("A page of pieces.", _PAGE), **failures(404, *COMMON)},
)
async def get_content(
    use: Use,
    caller: Reader,
    times: Times,
    where: Filters,
    page: Paged,
    sort: Annotated[
        Sort | None,
        Query(description="Order; `view_count` by default, with `trending` `trending_score`."),
    ] = None,
    order: Annotated[
        Order, Query(description="Greatest first or last; pieces without a value come last.")
    ] = "desc",
    trending: Annotated[
        bool,
        Query(description=f"What users turn to of late, of {TRENDING_DAYS} days where no time is asked for."),
    ] = False,
) -> Success[ContentPage]:
    """Views, reactions, sources and scores of pieces of content, the most viewed first.

    Needs the scope `read`.
    """
    _check_filters(where)
    span = times.span(TRENDING_DAYS if trending else None)
    scope = scope_of(use, caller.project, span, where, bots=False)
    chosen = sort or ("trending_score" if trending else "view_count")
    count, rows = await asked.ranked(use.store, scope, span, chosen, order, page.size, page.offset)
    page.check(count)
    following, previous = page.links(count)
    return Success(
        data=ContentPage.model_validate(
            {
                "count": count,
                "next": following,
                "previous": previous,
                "results": [_row(row, span) for row in rows],
                "sort": chosen,
                **await _end(use, span, times.now),
            }
        )
    )


@router.get(
    "/api/analytics/content/{content_type}/{object_id:path}",
    summary="How one piece of content does, day by day",
    responses={**success("The piece.", _DETAIL), **failures(404, *COMMON)},
)
async def get_piece(
    use: Use,
    caller: Reader,
    times: Times,
    content_type: Annotated[str, Path(max_length=200, description="Kind of content.")],
    object_id: Annotated[str, Path(max_length=200, description="The piece.")],
) -> Success[ContentDetail]:
    """One piece of content over the time asked for, and by day. Needs the scope `read`."""
    span, piece = times.span(), Piece(content_type, object_id)
    scope = scope_of(use, caller.project, span, {}, bots=False)
    grain, within = day_periods(span)
    (whole,), points = await asyncio.gather(
        asked.by_period(use.store, scope, piece, Periods((span.start, span.end))),
        asked.by_period(use.store, scope, piece, within),
    )
    if whole == PieceNumbers(piece) and not await asked.is_known(use.store, caller.project, piece):
        raise ApiError(
            404, "UNKNOWN_CONTENT", "There are no events of this piece; GET /api/analytics/content lists all."
        )
    return Success(
        data=ContentDetail.model_validate(
            {
                **_row(whole, span),
                "grain": grain,
                "series": [
                    {**_measures(point), "at": start, **_days(start, span.zone)}
                    for start, point in zip(within.edges, points, strict=False)
                ],
                **await _end(use, span, times.now),
            }
        )
    )


def _check_filters(where: Filters) -> None:
    reason = "Content cannot be filtered by this; use content_type, or what all events have, such as country."
    if wrong := [dimension for dimension in where if dimension in ("event", "event_id")]:
        raise invalid([Detail(field=each, reason=reason) for each in wrong])


def _measures(numbers: PieceNumbers) -> dict[str, Any]:
    return {name: getattr(numbers, name) for name in Measures.model_fields}


def _row(numbers: PieceNumbers, span: Timespan) -> dict[str, Any]:
    return {
        **_measures(numbers),
        "content_type": numbers.piece.content_type,
        "object_id": answered_id(numbers.piece.object_id),
        "date_range": date_range(span),
    }


def _days(start: datetime, zone: tzinfo) -> dict[str, date]:
    day = _day(start, zone)
    monday = day - timedelta(days=day.weekday())
    return {"date": day, "week_start": monday, "month_start": day.replace(day=1)}


def _day(moment: datetime, zone: tzinfo) -> date:
    return moment.astimezone(zone).date()


async def _end(use: Services, span: Timespan, now: datetime) -> dict[str, Any]:
    return {
        "period_start": span.start,
        "period_end": span.end,
        "tz": span.zone_name,
        "freshness_s": await freshness_s(use.store, now),
        "basis": "persons",
    }
