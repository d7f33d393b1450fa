"""GET /api/analytics/overview."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from loopin_api.envelope import Moment, Success
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries.alerts import MAX_FIRING, firing, is_ratio
from loopin_api.queries.overview import MAX_CURRENCIES, OverviewNumbers, overview
from loopin_api.services import Reader, Services, Use
from loopin_api.time_filters import Times
from loopin_api.timespan import Timespan
from loopin_schemas.insight import Insight as Found
from loopin_schemas.insight import InsightType, Priority
from loopin_sinks.insights.stored import top_insights
from loopin_sinks.metric_values.amounts import MAX_AMOUNT, OTHER

router = APIRouter(tags=["analytics"])

DEFAULT_DAYS: Final = 7

MAX_INSIGHTS: Final = 5
"""Most insights in an answer."""


class Insight(BaseModel):
    """A finding about users or the business."""

    type: InsightType = Field(description="Kind of insight.")
    title: str = Field(description="One line for a person.")
    priority: Priority = Field(description="How urgent it is.")
    confidence: float = Field(ge=0, le=1, description="How sure the method is, ratio 0 to 1.")


class FiringAlert(BaseModel):
    """A metric beyond its threshold."""

    metric_name: str = Field(description="Name of the metric.")
    value: float | None = Field(
        description="Its value, in percent where the metric is a ratio, else in its own unit; null for none."
    )
    threshold: float | None = Field(description="The threshold it crossed, in the same unit; null for none.")
    severity: Literal["warning", "critical"] = Field(description="Which threshold it crossed.")


FIRING: Final = (
    "Alerts that fire now and are neither silenced nor acknowledged, critical ones first, then the newest; "
    f"{MAX_FIRING} at most."
)


async def firing_alerts(use: Services, project: str) -> list[FiringAlert]:
    """What fires now, ratios in percent."""
    known = use.metrics.all(project)
    return [
        FiringAlert(
            metric_name=alert.metric,
            value=_rounded(alert.value, 100) if is_ratio(alert.metric, known) else alert.value,
            threshold=_rounded(alert.threshold, 100) if is_ratio(alert.metric, known) else alert.threshold,
            severity=alert.severity,
        )
        for alert in await firing(use.store, project)
    ]


UNKNOWN: Final = "null where events of it were removed before their day was rolled up"


class Overview(BaseModel):
    """The state of a project, in the numbers that matter most."""

    total_events: int | None = Field(
        description=f"Platform events created (`event_created`) in the period, count; {UNKNOWN}."
    )
    total_users: int = Field(description="Users ever active by the end of the period, count.")
    total_revenue: float | None = Field(
        description="Amounts of `ticket_purchased` less those of `payment_refunded` in the period, in "
        "`currency`, to two decimals. An amount that names no currency is in `currency`; others are "
        "converted by the rate of their day, where one is known (`/api/analytics/project`). One of "
        f"{MAX_AMOUNT:,.0f} or more, either sign, is left out: it is an error of a client, and would drown "
        f"the cents of all others; {UNKNOWN}."
    )
    active_users_today: int = Field(
        description="Users with at least one event on the period's last day (today, since midnight, where "
        "the period ends now), events of the system group apart, count."
    )
    conversion_rate: float | None = Field(
        description="Active users of the period with a `ticket_purchased`, percent (0 to 100), to two "
        "decimals; null without active users."
    )
    avg_session_length: float | None = Field(
        description="Mean of last minus first event of the sessions begun in the period, minutes, to two "
        "decimals; null without sessions. A session is a person's events of one `session_id`, or, where they "
        "name none, those without a pause of more than 30 minutes; events of the system group are left out."
    )
    top_insights: list[Insight] = Field(
        description="What is worth knowing at the end of the period and nobody has dismissed, by priority, "
        f"then the newest; {MAX_INSIGHTS} at most."
    )
    alerts: list[FiringAlert] = Field(description=FIRING)
    tracked_events: int | None = Field(
        description="All events tracked in the period, those of bots and of your own people too, count; "
        f"{UNKNOWN}."
    )
    currency: str = Field(description="Currency of `total_revenue`, ISO 4217.")
    other_revenue: dict[str, float] = Field(
        description="Revenue in other currencies without a rate by ISO 4217 code, to two decimals; not in "
        "`total_revenue`. "
        f"Amounts whose currency is not three letters are added up under `{OTHER}`, whatever they are in; of "
        f"more than {MAX_CURRENCIES} currencies the largest are given."
    )
    period_start: Moment = Field(description="Start of the period, ISO 8601 in UTC.")
    period_end: Moment = Field(description="End of the period, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    freshness_s: float | None = Field(
        description="Seconds since the newest event up to the period's end was received; null without events."
    )
    basis: Literal["distinct_ids", "persons"] = Field(
        description="What counts as one user: a distinct_id, or a person with all their distinct_ids."
    )


_EXAMPLE = {
    "total_events": 150,
    "total_users": 1250,
    "total_revenue": 45000.0,
    "active_users_today": 89,
    "conversion_rate": 12.5,
    "avg_session_length": 8.5,
    "top_insights": [
        {
            "type": "metric_change",
            "title": "Revenue was unusually low on Tuesday 13 January (-42%)",
            "priority": "high",
            "confidence": 0.99,
        }
    ],
    "alerts": [
        {"metric_name": "payment_failure_rate", "value": 15.2, "threshold": 10.0, "severity": "warning"}
    ],
    "tracked_events": 31106,
    "currency": "INR",
    "other_revenue": {"EUR": 310.0},
    "period_start": "2026-01-08T18:30:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "tz": "Asia/Kolkata",
    "freshness_s": 1.2,
    "basis": "persons",
}


@router.get(
    "/api/analytics/overview",
    summary="Overview of a project",
    responses={**success("The numbers of the period", _EXAMPLE), **failures(*COMMON)},
)
async def get_overview(
    caller: Reader,
    use: Use,
    times: Times,
) -> Success[Overview]:
    """Of the last 7 days by default: today so far, and the 6 days before it.

    Whatever the period, `alerts` are those that fire now, while `top_insights` are as of the period's end.
    Needs the scope `read`.
    """
    span = times.span(DEFAULT_DAYS)
    scope = scope_of(use, caller.project, span, {}, bots=False)
    numbers, alerts, insights = await asyncio.gather(
        overview(use.store, scope, span),
        firing_alerts(use, caller.project),
        top_insights(use.store, caller.project, min(span.end, times.now), MAX_INSIGHTS),
    )
    return Success(data=_answer(numbers, alerts, insights, span, scope.currency, times.now))


def _answer(
    numbers: OverviewNumbers,
    alerts: list[FiringAlert],
    insights: list[Found],
    span: Timespan,
    currency: str,
    now: datetime,
) -> Overview:
    newest = numbers.newest_received
    return Overview(
        total_events=numbers.total_events,
        total_users=numbers.total_users,
        total_revenue=None if numbers.revenue is None else _cents(numbers.revenue),
        active_users_today=numbers.active_users_today,
        conversion_rate=_rounded(numbers.ticket_conversion, 100),
        avg_session_length=_rounded(numbers.avg_session_length, 1),
        top_insights=[
            Insight(
                type=each.insight_type,
                title=each.title,
                priority=each.priority,
                confidence=each.confidence_score,
            )
            for each in insights
        ],
        alerts=alerts,
        tracked_events=numbers.tracked_events,
        currency=currency,
        other_revenue={code: _cents(total) for code, total in numbers.other_revenue.items()},
        period_start=span.start,
        period_end=span.end,
        tz=span.zone_name,
        freshness_s=None if newest is None else max(0.0, round((now - newest).total_seconds(), 3)),
        basis="persons",
    )


def _cents(amount: float) -> float:
    return round(amount, 2) + 0.0  # the addition turns -0.0 into 0.0


def _rounded(value: float | None, factor: int) -> float | None:
    return None if value is None else round(value * factor, 2)
