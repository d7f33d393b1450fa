"""``kind=forecast``: what a metric is going to come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field, StringConstraints

from loopin_api.auth import Caller
from loopin_api.envelope import Detail, Moment
from loopin_api.errors import invalid
from loopin_api.predictions.kind import Kind
from loopin_api.queries.forecasts import MOST_DAYS, forecast_of
from loopin_api.services import Services
from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.metric import Unit
from loopin_schemas.project import COUNTRY
from loopin_sinks.forecasts.defaults import HORIZON, LEAST_POINTS, SEASONAL_NAIVE
from loopin_sinks.forecasts.errors import UnknownCountry
from loopin_sinks.forecasts.made import HISTORY, Lineage, Made, Tested
from loopin_sinks.metric_values.scope import Scope, from_epoch_ms, scope_of
from loopin_streams.projects.project import zone_name

_IN_UNIT: Final = "in the metric's unit"


class ForecastPoint(BaseModel):
    """What is expected of one day."""

    at: Moment = Field(description="Start of the day, ISO 8601 in UTC.")
    value: float = Field(description=f"What is expected, {_IN_UNIT}.")
    low_80: float | None = Field(
        description=f"Lower end of the interval that holds 80 % of such days, {_IN_UNIT}; null where too few "
        "days tell it."
    )
    high_80: float | None = Field(description=f"Its upper end, {_IN_UNIT}; null likewise.")
    low_95: float | None = Field(
        description=f"Lower end of the interval that holds 95 %, {_IN_UNIT}; null likewise."
    )
    high_95: float | None = Field(description=f"Its upper end, {_IN_UNIT}; null likewise.")


class HistoryPoint(BaseModel):
    """What one day came to."""

    at: Moment = Field(description="Start of the day, ISO 8601 in UTC.")
    value: float | None = Field(description=f"What it came to, {_IN_UNIT}; null where there is none.")


class DecompositionPoint(BaseModel):
    """Parts of one day, which add up to its value."""

    at: Moment = Field(description="Start of the day, ISO 8601 in UTC.")
    trend: float = Field(description=f"Level, {_IN_UNIT}.")
    weekly: float = Field(description=f"What its weekday adds, {_IN_UNIT}.")
    yearly: float | None = Field(
        description=f"What the time of the year adds, {_IN_UNIT}; null with less than two years of values."
    )
    residual: float | None = Field(description=f"What is left, {_IN_UNIT}; null where the day has no value.")


class BacktestAnswer(BaseModel):
    """How good such forecasts would have been so far, each made of what was known at its time."""

    mase: float | None = Field(
        description="Mean absolute error of the forecasts / that of seasonal-naive (the same weekday a week "
        "before) in the values they were made of, ratio; null where those never change."
    )
    baseline_mase: float | None = Field(description="The same of the baseline's forecasts, ratio.")
    coverage_80: float = Field(description="Share of the values within their 80 % interval, ratio 0 to 1.")
    coverage_95: float = Field(description="Share within the 95 % interval, ratio 0 to 1.")
    folds: int = Field(description="How many forecasts were tested, a number.")
    baseline: Literal["seasonal_naive"] = Field(description="What they are compared with.")


class ForecastLineage(BaseModel):
    """Which values the forecast rests on: `from` and `to` are days of the project's zone."""

    start: Moment = Field(alias="from", description="Start of the first day, ISO 8601 in UTC.")
    end: Moment = Field(alias="to", description="End of the last day, ISO 8601 in UTC.")
    points: int = Field(description="How many of these days have a value, a number.")
    calculated_at: Moment | None = Field(
        description="When the newest of the kept values was calculated, ISO 8601 in UTC; null where all "
        "were computed from the events just then."
    )


class ForecastAnswer(BaseModel):
    """What a metric is going to come to."""

    kind: Literal["forecast"] = Field(description="What was asked for.")
    metric: str = Field(description="Name of the metric.")
    unit: Unit = Field(description="What values are measured in.")
    currency: str | None = Field(description="Currency of money, ISO 4217; null for other units.")
    grain: Literal["day"] = Field(description="Length of the periods.")
    tz: str = Field(description="Time zone in which days begin, name in the tz database.")
    horizon: int = Field(description="Days ahead of the last day with a value.")
    points: list[ForecastPoint] = Field(
        description="What is expected, day by day; none where no day has had a value."
    )
    history: list[HistoryPoint] = Field(description=f"The {HISTORY} days before, fewer where there are.")
    decomposition: list[DecompositionPoint] = Field(
        description="The same days in parts; none with less than two weeks of values."
    )
    backtest: BacktestAnswer | None = Field(description="Null where no model was chosen.")
    method: Literal["model", "heuristic"] = Field(
        description=f"Whether a model was chosen, or a rule had to do: of fewer than {LEAST_POINTS} days."
    )
    model: str = Field(description="Name of the model or of the rule; empty where there is nothing to go by.")
    intervals: Literal["conformal", "student_t"] | None = Field(
        description="How intervals were made: of the errors of the backtest, or as of normal errors "
        "by Student's t; null where there are none."
    )
    reason: str | None = Field(description="Why a rule had to do, one sentence; null for a model.")
    yearly: bool = Field(description="Whether a yearly season is in it.")
    holidays: str | None = Field(
        description="Country whose public holidays a model goes by, ISO 3166; null for none."
    )
    model_version: str = Field(description="Of the models and of how one is chosen.")
    made_at: Moment = Field(description="When the forecast was made, ISO 8601 in UTC.")
    lineage: ForecastLineage | None = Field(description="Null where there is nothing to go by.")


@dataclass(frozen=True, slots=True)
class ForecastParameters:
    """What is asked of a forecast."""

    metric: str | None
    horizon: int
    holidays: str | None


def forecast_parameters(
    metric: Annotated[
        str | None,
        Query(max_length=100, description="Of forecasts: a metric of the catalogue, or of your own."),
    ] = None,
    horizon: Annotated[
        int, Query(ge=1, le=MOST_DAYS, description="Of forecasts: how many days ahead.")
    ] = HORIZON,
    holidays: Annotated[
        Annotated[str, StringConstraints(pattern=COUNTRY)] | None,
        Query(
            description="Of forecasts: country whose public holidays may matter, ISO 3166; the project's by "
            "default."
        ),
    ] = None,
) -> ForecastParameters:
    """The parameters of ``kind=forecast``."""
    return ForecastParameters(metric, horizon, holidays)


async def _predict(use: Services, caller: Caller, asked: ForecastParameters) -> BaseModel:
    if asked.metric is None:
        raise invalid([Detail(field="metric", reason="Give this field, too.")])
    metric = use.metrics.find(caller.project, asked.metric)
    scope = scope_of(use.projects, caller.project, use.clock())
    country = asked.holidays or use.projects.of(caller.project).holidays
    try:
        made = await forecast_of(use.store, scope, metric, asked.horizon, country)
    except UnknownCountry as error:
        if asked.holidays:
            raise invalid([Detail(field="holidays", reason=str(error))]) from None
        made = await forecast_of(use.store, scope, metric, asked.horizon, None)
    return _answer(scope, metric, asked.horizon, made)


def _answer(scope: Scope, metric: Metric, horizon: int, made: Made) -> ForecastAnswer:
    told: dict[str, Any] = msgspec.structs.asdict(made)
    return ForecastAnswer.model_validate(
        {
            **told,
            "kind": "forecast",
            "metric": metric.name,
            "unit": metric.unit,
            "currency": scope.currency if metric.unit == "money" else None,
            "grain": "day",
            "intervals": _intervals(made),
            "tz": zone_name(scope.zone),
            "horizon": horizon,
            "points": [_at(day) for day in made.points[:horizon]],
            "history": [_at(day) for day in made.history],
            "decomposition": [_at(day) for day in made.history if day.trend is not None],
            "backtest": None if made.tested is None else _backtest(made.tested),
            "made_at": from_epoch_ms(made.made_at),
            "lineage": None if made.lineage is None else _lineage(made.lineage),
        }
    )


def _intervals(made: Made) -> str | None:
    if not made.points or made.points[0].low_80 is None:
        return None
    return "conformal" if made.method == "model" else "student_t"


def _at(day: msgspec.Struct) -> dict[str, Any]:
    told = msgspec.structs.asdict(day)
    return {**told, "at": from_epoch_ms(told["at"])}


def _backtest(found: Tested) -> dict[str, Any]:
    told = msgspec.structs.asdict(found)
    return {**told, "baseline_mase": found.naive_mase, "baseline": SEASONAL_NAIVE}


def _lineage(found: Lineage) -> dict[str, Any]:
    calculated = found.calculated_at
    return {
        "from": from_epoch_ms(found.start),
        "to": from_epoch_ms(found.end),
        "points": found.points,
        "calculated_at": None if calculated is None else from_epoch_ms(calculated),
    }


_EXAMPLE: Final = {
    "kind": "forecast",
    "metric": "dau",
    "unit": "users",
    "currency": None,
    "grain": "day",
    "tz": "UTC",
    "horizon": 1,
    "points": [
        {
            "at": "2026-01-15T00:00:00.000Z",
            "value": 1012.4,
            "low_80": 961.0,
            "high_80": 1063.8,
            "low_95": 921.7,
            "high_95": 1103.1,
        }
    ],
    "history": [{"at": "2026-01-14T00:00:00.000Z", "value": 1031.0}],
    "decomposition": [
        {"at": "2026-01-14T00:00:00.000Z", "trend": 1004.0, "weekly": 12.5, "yearly": None, "residual": 14.5}
    ],
    "backtest": {
        "mase": 0.81,
        "baseline_mase": 1.04,
        "coverage_80": 0.81,
        "coverage_95": 0.96,
        "folds": 12,
        "baseline": "seasonal_naive",
    },
    "method": "model",
    "model": "combination",
    "intervals": "conformal",
    "reason": None,
    "yearly": False,
    "holidays": None,
    "model_version": "forecasts-1",
    "made_at": "2026-01-15T00:40:00.000Z",
    "lineage": {
        "from": "2025-09-17T00:00:00.000Z",
        "to": "2026-01-15T00:00:00.000Z",
        "points": 120,
        "calculated_at": "2026-01-15T00:05:00.000Z",
    },
}

FORECAST: Final = Kind(
    name="forecast",
    description="what a metric is going to come to, with intervals and how good such forecasts were so far",
    parameters=forecast_parameters,
    answer=ForecastAnswer,
    example=_EXAMPLE,
    predict=_predict,
)
