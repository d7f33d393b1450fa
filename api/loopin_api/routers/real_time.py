"""GET /api/analytics/real-time."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Final

from fastapi import APIRouter
from pydantic import BaseModel, Field

from loopin_api.envelope import Moment, Success
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.real_time import MAX_LISTED, MINUTES, last_minutes, real_time
from loopin_api.routers.overview import FIRING, FiringAlert, firing_alerts
from loopin_api.services import Reader, Use
from loopin_api.timespan import Timespan

router = APIRouter(tags=["analytics"])


class Minute(BaseModel):
    """One minute."""

    at: Moment = Field(description="Its start, ISO 8601 in UTC.")
    events: int = Field(description="Events but those of the system group, count.")
    active_users: int = Field(description="Users with such an event, count.")
    revenue: float = Field(description="Tickets bought less refunds, in `currency`.")
    online_members: int = Field(
        description="Users active in a community in this minute or the four before, count."
    )
    errors: int = Field(
        description="`$exception`, `app_crashed`, and `error_logged` of level error or critical, count."
    )


class TopEvent(BaseModel):
    """An event and how often it happened."""

    event: str = Field(description="Its name.")
    count: int = Field(description="How often it happened in these minutes, count.")


class CountryNow(BaseModel):
    """A country that users are in."""

    country: str = Field(description="The country as events name it; empty where they name none.")
    active_users: int = Field(description="Users with an event from there, count.")
    events: int = Field(description="Their events from there, those of the system group apart, count.")


class RealTime(BaseModel):
    """The last minutes."""

    events: int = Field(description="Events but those of the system group, of all these minutes, count.")
    active_users: int = Field(description="Users with such an event, each once, count.")
    revenue: float = Field(description="Tickets bought less refunds, of all these minutes, in `currency`.")
    other_revenue: dict[str, float] = Field(
        description="Those in currencies for which there is no rate, by ISO 4217 code, in that currency."
    )
    online_members: int = Field(
        description="Users active in a community within the last 5 minutes of the clock, count."
    )
    errors: int = Field(
        description="`$exception`, `app_crashed`, and `error_logged` of level error or critical, of all "
        "these minutes, count."
    )
    minutes: list[Minute] = Field(
        description=f"The last {MINUTES} minutes of the clock, in order; the last one may not be over."
    )
    top_events: list[TopEvent] = Field(description=f"The {MAX_LISTED} most frequent events, of all minutes.")
    countries: list[CountryNow] = Field(
        description=f"The {MAX_LISTED} countries with the most active users, of all minutes."
    )
    alerts: list[FiringAlert] = Field(description=FIRING)
    currency: str = Field(description="Currency of revenue, ISO 4217.")
    period_start: Moment = Field(description="Start of the first minute, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Now, excluded, ISO 8601 in UTC.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


_TOTALS: Final = {"events": 1250, "active_users": 89, "revenue": 4500.0, "online_members": 45, "errors": 2}
_EXAMPLE: Final = {
    **_TOTALS,
    "other_revenue": {"EUR": 31.0},
    "minutes": [
        {"at": "2026-01-15T10:29:00.000Z", **_TOTALS, "events": 52, "active_users": 31, "revenue": 500.0}
    ],
    "top_events": [{"event": "$pageview", "count": 611}],
    "countries": [{"country": "IN", "active_users": 64, "events": 902}],
    "alerts": [
        {"metric_name": "payment_failure_rate", "value": 15.2, "threshold": 10.0, "severity": "warning"}
    ],
    "currency": "INR",
    "period_start": "2026-01-15T10:00:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "freshness_s": 1.204,
    "basis": "persons",
}


@router.get(
    "/api/analytics/real-time",
    summary="The last 30 minutes",
    responses={**success("The last minutes.", _EXAMPLE), **failures(*COMMON)},
)
async def get_real_time(use: Use, caller: Reader) -> Success[RealTime]:
    """What happened in each of the last 30 minutes. Needs the scope `read`."""
    now = use.clock()
    span = Timespan(last_minutes(now).start, now, use.projects.zone(caller.project))
    scope = replace(scope_of(use, caller.project, span, {}, bots=False), now=now)
    found = await real_time(use.store, scope)
    return Success(
        data=RealTime.model_validate(
            {
                **asdict(found.whole),
                "other_revenue": found.other_revenue,
                "minutes": [asdict(minute) for minute in found.minutes],
                "top_events": [{"event": name, "count": count} for name, count in found.top_events],
                "countries": [asdict(country) for country in found.countries],
                "alerts": await firing_alerts(use, caller.project),
                "currency": scope.currency,
                "period_start": span.start,
                "period_end": now,
                "freshness_s": await freshness_s(use.store, now),
                "basis": "persons",
            }
        )
    )
