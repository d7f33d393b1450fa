"""GET /api/analytics/metrics/{name} and the catalogue."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from loopin_api.envelope import Detail, Moment, Success
from loopin_api.errors import ApiError, invalid
from loopin_api.metric_filters import Filters, scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries import metrics as asked
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.metrics import Compare, Status, change_percentage, progress_of, status_of
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_schemas.metrics import CATALOGUE, Dimension, Grain, Kind, Metric, by_name
from loopin_schemas.metrics.definition import event_names
from loopin_schemas.metrics.metric import Better, Unit
from loopin_sinks.metric_values.calculate import Calculator

router = APIRouter(tags=["metrics"])

ACTIVE_EVENTS: Final = "all events but those of the system group"


class Definition(BaseModel):
    """What a metric means."""

    name: str = Field(description="Exact name.")
    kind: Kind = Field(description="kpi, kri (risk), kr (result with a target), or custom.")
    category: str = Field(description="Subject.")
    unit: Unit = Field(
        description="Unit of its values: ratios are 0 to 1, money is in the project's currency, stars 1 to 5."
    )
    better: Better = Field(description="Which way is good.")
    description: str = Field(description="Meaning, for a person.")
    dimensions: list[Dimension] = Field(description="What it can be split and filtered by.")
    grains: list[Grain] = Field(description="Lengths of periods it is told by.")
    owner: str = Field(description="Team that answers for it.")
    target_value: float | None = Field(description="Value to reach, in the metric's unit; null for none.")
    warning_threshold: float | None = Field(
        description="Value from which on it is a warning, in the metric's unit; null for none."
    )
    critical_threshold: float | None = Field(description="The same for critical.")
    data_source: str = Field(description="Events that it is made of.")


class Point(BaseModel):
    """The value of one period."""

    at: Moment = Field(description="Start of the period, ISO 8601 in UTC.")
    value: float | None = Field(description="In the metric's unit; null where there is none.")
    previous: float | None = Field(description="Value of the period it is compared with.")
    change_percentage: float | None = Field(
        description="By how much of the former's size it has changed, percent; null where that is nothing."
    )


class Part(BaseModel):
    """The value of one value of a dimension."""

    value_of: str = Field(description="The dimension's value; empty for events without one.")
    value: float = Field(description="In the metric's unit.")


class MetricAnswer(Definition):
    """A metric over time."""

    grain: Grain = Field(
        description="Length of the periods; longer than asked for where there were too many."
    )
    points: list[Point] = Field(
        description=f"One for each period, in order; at most {asked.MAX_POINTS}. The last may not be over."
    )
    value: float | None = Field(
        description="Over the whole time, in the metric's unit (not the sum of its points)."
    )
    previous_value: float | None = Field(description="The same over the time that is compared with.")
    change_percentage: float | None = Field(
        description="By how much of the former's size it has changed, percent; null where that is nothing."
    )
    progress: float | None = Field(description="Value / target, ratio; null without either.")
    status: Status = Field(
        description="Which threshold it is beyond; a key result has a warning while it misses its target."
    )
    breakdown: list[Part] | None = Field(
        description=f"With `by`: its value for each value of that dimension, at most {asked.MAX_VALUES}, "
        "greatest first; else null."
    )
    currency: str | None = Field(description="Currency of money, ISO 4217; null for other units.")
    period_start: Moment = Field(description="Start of the time asked for, ISO 8601 in UTC.")
    period_end: Moment = Field(description="Its end, excluded, ISO 8601 in UTC.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    calculated_at: Moment = Field(description="When this was computed, ISO 8601 in UTC.")
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


def definition_of(metric: Metric) -> dict[str, object]:
    """The fields of ``Definition``."""
    return {
        "name": metric.name,
        "kind": metric.kind,
        "category": metric.category,
        "unit": metric.unit,
        "better": metric.better,
        "description": metric.description,
        "dimensions": list(metric.dimensions),
        "grains": list(metric.grains),
        "owner": metric.owner,
        "target_value": metric.target,
        "warning_threshold": metric.warning,
        "critical_threshold": metric.critical,
        "data_source": ", ".join(event_names(metric.definition)) or ACTIVE_EVENTS,
    }


_DEFINITION: Final = {
    "name": "payment_failure_rate",
    "kind": "kri",
    "category": "payments",
    "unit": "ratio",
    "better": "lower",
    "description": "Of the payments that went through or failed, those that failed.",
    "dimensions": ["country", "region", "city"],
    "grains": ["hour", "day", "week", "month"],
    "owner": "finance",
    "target_value": None,
    "warning_threshold": 0.1,
    "critical_threshold": 0.2,
    "data_source": "payment_failed, payment_succeeded",
}

_EXAMPLE: Final = {
    **_DEFINITION,
    "grain": "day",
    "points": [
        {"at": "2026-01-14T00:00:00.000Z", "value": 0.08, "previous": 0.1, "change_percentage": -20.0},
        {"at": "2026-01-15T00:00:00.000Z", "value": 0.152, "previous": None, "change_percentage": None},
    ],
    "value": 0.12,
    "previous_value": 0.1,
    "change_percentage": 20.0,
    "progress": None,
    "status": "warning",
    "breakdown": [{"value_of": "IN", "value": 0.19}, {"value_of": "DE", "value": 0.04}],
    "currency": None,
    "period_start": "2026-01-14T00:00:00.000Z",
    "period_end": "2026-01-15T10:30:00.000Z",
    "tz": "UTC",
    "calculated_at": "2026-01-15T10:30:00.000Z",
    "freshness_s": 1.204,
    "basis": "persons",
}


@router.get(
    "/api/analytics/metrics/{name}",
    summary="A metric over time",
    responses={**success("The metric.", _EXAMPLE), **failures(404, *COMMON)},
)
async def get_metric(
    use: Use,
    caller: Reader,
    times: Times,
    where: Filters,
    name: Annotated[str, Path(max_length=100, description="A name of the catalogue.")],
    grain: Annotated[
        Grain | None,
        Query(description="Length of the periods; by default one that suits the time asked for."),
    ] = None,
    compare: Annotated[
        Compare,
        Query(description="With the time right before, or a year ago (by weeks: 52 weeks ago)."),
    ] = "previous",
    by: Annotated[Dimension | None, Query(description="Dimension to split the value by.")] = None,
    bots: Annotated[bool, Query(description="Whether bots are counted, too.")] = False,
) -> Success[MetricAnswer]:
    """A metric by hour, day, week or month, beside an earlier time. Needs the scope `read`."""
    metric = by_name(name)
    if metric is None:
        raise ApiError(
            404,
            "UNKNOWN_METRIC",
            "There is no metric of this name; GET /api/analytics/metric-definitions lists them.",
        )
    _check_dimensions(metric, [*where, *([by] if by else [])])
    span = times.span()
    scope = scope_of(use, caller.project, span, where, bots=bots)
    found = await asked.series(Calculator(use.store, scope), metric, span, grain, compare)
    parts = None
    if by is not None:
        parts = await asked.split(use.store, scope, metric, span, by)
    value, previous = found.total.value, found.total.previous
    return Success(
        data=MetricAnswer.model_validate(
            {
                **definition_of(metric),
                "grain": found.grain,
                "points": [
                    {
                        "at": point.at,
                        "value": point.value,
                        "previous": point.previous,
                        "change_percentage": change_percentage(point.value, point.previous),
                    }
                    for point in found.points
                ],
                "value": value,
                "previous_value": previous,
                "change_percentage": change_percentage(value, previous),
                "progress": progress_of(metric, value),
                "status": status_of(metric, value),
                "breakdown": None if parts is None else [{"value_of": of, "value": n} for of, n in parts],
                "currency": scope.currency if metric.unit == "money" else None,
                "period_start": span.start,
                "period_end": span.end,
                "tz": span.zone_name,
                "calculated_at": times.now,
                "freshness_s": await freshness_s(use.store, times.now),
                "basis": "persons",
            }
        )
    )


@router.get(
    "/api/analytics/metric-definitions",
    summary="All metrics and what they mean",
    responses={**success("The catalogue.", [_DEFINITION]), **failures(*COMMON)},
)
async def get_definitions(_: Reader) -> Success[list[Definition]]:
    """The catalogue of metrics, by subject. Needs the scope `read`."""
    return Success(data=[Definition.model_validate(definition_of(metric)) for metric in CATALOGUE])


def _check_dimensions(metric: Metric, dimensions: list[Dimension]) -> None:
    allowed = ", ".join(metric.dimensions)
    reason = f"This metric has no such dimension; use {allowed}." if allowed else "This metric has none."
    if wrong := [each for each in dimensions if each not in metric.dimensions]:
        raise invalid([Detail(field=each, reason=reason) for each in wrong])
