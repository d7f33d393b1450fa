"""GET /api/analytics/metrics/{name}."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from loopin_api.envelope import Detail, Moment, Success, iso_ms
from loopin_api.errors import invalid
from loopin_api.metric_filters import Filters, scope_of
from loopin_api.openapi import COMMON, failures, success
from loopin_api.queries import metrics as asked
from loopin_api.queries.freshness import freshness_s
from loopin_api.queries.kept import history
from loopin_api.queries.metrics import Compare, Status, change_percentage, progress_of, status_of
from loopin_api.routers.metric_definitions import DEFINITION_EXAMPLE, Definition, definition_of
from loopin_api.services import Reader, Use
from loopin_api.time_filters import Times
from loopin_schemas.metrics import Dimension, Grain, Metric
from loopin_sinks.metric_values.calculate import Calculator

router = APIRouter(tags=["metrics"])


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
    calculated_at: Moment = Field(
        description="When this was computed, ISO 8601 in UTC; where kept values are told, the oldest of them."
    )
    freshness_s: float | None = Field(
        description="Seconds since the newest stored event was received; null without events."
    )
    basis: str = Field(description="What counts as one user: `persons`, with all their distinct_ids.")


_EXAMPLE: Final = {
    **DEFINITION_EXAMPLE,
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
    name: Annotated[str, Path(max_length=100, description="A name of the catalogue, or of your own.")],
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
    """A metric by hour, day, week or month, beside an earlier time.

    Whole periods that are over are told by the values that are kept of them, in the project's own time zone
    and where nothing is filtered, as long as nothing has come since; `data_source` says so. Others are
    computed from the events; where those are gone and nothing was kept, the value is null. Over the whole
    time there is no value then, unless it is the sum of its periods or depends on the end only.
    Needs the scope `read`.
    """
    metric = use.metrics.find(caller.project, name)
    _check_dimensions(metric, [*where, *([by] if by else [])])
    span = times.span()
    scope = scope_of(use, caller.project, span, where, bots=bots)
    kept = await history(use.store, scope, [metric], own_days=times.zone == times.own)
    found = await asked.series(Calculator(use.store, scope), metric, span, grain, compare, kept)
    parts = None
    if by is not None:
        parts = await asked.split(use.store, scope, metric, span, by)
    value, previous = found.total.value, found.total.previous
    return Success(
        data=MetricAnswer.model_validate(
            {
                **definition_of(metric),
                "data_source": _source(metric, found),
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
                "calculated_at": found.calculated_at or times.now,
                "freshness_s": await freshness_s(use.store, times.now),
                "basis": "persons",
            }
        )
    )


def _source(metric: Metric, found: asked.Series) -> str:
    source = str(definition_of(metric)["data_source"])
    if found.calculated_at is None:
        return source
    return f"{source}; kept values{f' before {iso_ms(found.kept_before)}' if found.kept_before else ''}"


def _check_dimensions(metric: Metric, dimensions: list[Dimension]) -> None:
    allowed = ", ".join(metric.dimensions)
    reason = f"This metric has no such dimension; use {allowed}." if allowed else "This metric has none."
    if wrong := [each for each in dimensions if each not in metric.dimensions]:
        raise invalid([Detail(field=each, reason=reason) for each in wrong])
