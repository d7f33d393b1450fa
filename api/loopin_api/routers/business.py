"""GET /api/analytics/business: every metric beside its target and its earlier value."""

from __future__ import annotations

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from loopin_api.envelope import Moment, Success
from loopin_api.metric_filters import scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.kept import history
from loopin_api.queries.metrics import (
    Compare,
    Status,
    Total,
    change_percentage,
    progress_of,
    status_of,
    total,
)
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.metric import Better, Unit
from loopin_sinks.metric_values.calculate import Calculator

router = APIRouter(tags=["metrics"])


class BusinessMetric(BaseModel):
    """One metric over the period."""

    name: str = Field(description="Exact name.")
    category: str = Field(description="Subject.")
    description: str = Field(description="Meaning, for a person.")
    unit: Unit = Field(
        description="Unit of the values: ratios are 0 to 1, money is in `currency`, stars 1 to 5."
    )
    better: Better = Field(description="Which way is good.")
    value: float | None = Field(description="In the metric's unit; null where there is none.")
    previous_value: float | None = Field(description="Value of the time that is compared with.")
    change_percentage: float | None = Field(
        description="By how much of the former's size it has changed, percent; null where that is nothing."
    )
    target_value: float | None = Field(description="Value to reach, in the metric's unit; null for none.")
    progress: float | None = Field(description="Value / target, ratio; null without either.")
    warning_threshold: float | None = Field(
        description="Value from which on it is a warning, in the metric's unit; null for none."
    )
    critical_threshold: float | None = Field(description="The same for critical.")
    status: Status = Field(
        description="Which threshold it is beyond; a key result has a warning while it misses its target."
    )


class Business(BaseModel):
    """The business in numbers."""

    kpi: list[BusinessMetric] = Field(description="Key performance indicators.")
    kri: list[BusinessMetric] = Field(description="Key risk indicators.")
    kr: list[BusinessMetric] = Field(description="Key results.")
    custom: list[BusinessMetric] = Field(description="Metrics that you have defined.")
    currency: str = Field(description="Currency of money, ISO 4217.")
    period_start: Moment = Field(description="Start of the period, ISO 8601 in UTC.")
    period_end: Moment = Field(description="End of the period, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    calculated_at: Moment = Field(description="When this was computed, ISO 8601 in UTC.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


def _example(name: str, unit: str, category: str, description: str, value: float) -> dict[str, object]:
    return {
        "name": name,
        "category": category,
        "description": description,
        "unit": unit,
        "better": "lower" if name == "refund_rate" else "higher",
        "value": value,
        "previous_value": value / 2,
        "change_percentage": 100.0,
        "target_value": None,
        "progress": None,
        "warning_threshold": 0.05 if name == "refund_rate" else None,
        "critical_threshold": 0.1 if name == "refund_rate" else None,
        "status": "warning" if name == "refund_rate" else "ok",
    }


_EXAMPLE: Final = {
    "kpi": [
        _example("revenue", "money", "revenue", "Amounts of tickets bought less those of refunds.", 45000.0)
    ],
    "kri": [_example("refund_rate", "ratio", "payments", "Refunds / tickets bought.", 0.06)],
    "kr": [
        {
            **_example("event_rating", "stars", "satisfaction", "Mean rating of events.", 4.5),
            "target_value": 4.5,
            "progress": 1.0,
        }
    ],
    "custom": [],
    "currency": "INR",
    "period_start": "2025-12-17T00:00:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "tz": "UTC",
    "calculated_at": "2026-01-15T10:30:00.000Z",
    "freshness_s": 1.204,
    "basis": "persons",
}


@router.get(
    "/api/analytics/business",
    summary="All business metrics",
    responses={**success("The metrics by kind.", _EXAMPLE), **failures(*COMMON)},
)
async def get_business(
    use: Use,
    caller: Reader,
    times: Times,
    compare: Annotated[
        Compare, Query(description="With the time right before, of the same length, or a year ago.")
    ] = "previous",
) -> Success[Business]:
    """Every metric, your own too, over a period, beside its target and an earlier period.

    What is the sum of its days, or depends on the last day only, is told by the values of days that are kept,
    for 1095 days; the others from the events, and null where those of the period are gone.
    Needs the scope `read`.
    """
    span = times.span()
    scope = scope_of(use, caller.project, span, {}, bots=False)
    calculator, metrics = Calculator(use.store, scope), use.metrics.all(caller.project)
    kept = await history(use.store, scope, metrics, own_days=times.zone == times.own)
    totals = await asyncio.gather(*(total(calculator, metric, span, compare, kept) for metric in metrics))
    by_kind: dict[str, list[BusinessMetric]] = {"kpi": [], "kri": [], "kr": [], "custom": []}
    for metric, found in zip(metrics, totals, strict=True):
        by_kind[metric.kind].append(_told(metric, found))
    return Success(
        data=Business(
            kpi=by_kind["kpi"],
            kri=by_kind["kri"],
            kr=by_kind["kr"],
            custom=by_kind["custom"],
            currency=scope.currency,
            period_start=span.start,
            period_end=span.end,
            tz=span.zone_name,
            calculated_at=times.now,
            freshness_s=await freshness_s(use.store, times.now),
            basis="persons",
        )
    )


def _told(metric: Metric, found: Total) -> BusinessMetric:
    return BusinessMetric(
        name=metric.name,
        category=metric.category,
        description=metric.description,
        unit=metric.unit,
        better=metric.better,
        value=found.value,
        previous_value=found.previous,
        change_percentage=change_percentage(found.value, found.previous),
        target_value=metric.target,
        progress=progress_of(metric, found.value),
        warning_threshold=metric.warning,
        critical_threshold=metric.critical,
        status=status_of(metric, found.value),
    )
