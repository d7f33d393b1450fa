"""The task that says what metrics are going to come to, and keeps it, to be compared with what came."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import structlog
from msgspec import Meta

from loopin_schemas.metrics import Metric
from loopin_schemas.project import COUNTRY, ProjectSettings
from loopin_sinks.forecasts.at_once import make_forecast
from loopin_sinks.forecasts.defaults import HORIZON, METRICS
from loopin_sinks.forecasts.errors import MISSING, UnknownCountry
from loopin_sinks.forecasts.history import past
from loopin_sinks.forecasts.stored import keep_forecast
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import StoreError
from loopin_sinks.tasks.by_project import Projects, by_project, projects_in
from loopin_sinks.tasks.calculate_metrics import metrics_of
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab

log = structlog.get_logger(__name__)


class ForecastArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects (all, without any), which metrics, how many days, and whose holidays (ISO 3166).

    Without names those of every project and the project's own; without a country the project's.
    """

    projects: Projects = ()
    names: Annotated[tuple[str, ...], Meta(max_length=200)] = ()
    horizon: Annotated[int, Meta(ge=1, le=365)] = HORIZON
    holidays: Annotated[str, Meta(pattern=COUNTRY, max_length=2)] | None = None


async def forecast_metrics(context: Context) -> int:
    """Make and keep a forecast of each metric, project by project; how many days were forecast.

    Raises:
        StoreError: the store did not answer, or what forecasts are made with is not installed.
    """
    arguments: ForecastArguments = context.arguments
    projects = await projects_in(context.store, "metric_values", arguments.projects)

    async def forecast(project: str) -> int:
        scope = context.scope(project, context.clock())
        return await _forecast(context, scope, metrics_of(context.configuration, project))

    return await by_project(context, projects, forecast)


async def _forecast(context: Context, scope: Scope, known: Sequence[Metric]) -> int:
    arguments: ForecastArguments = context.arguments
    item = context.configuration.of(ProjectSettings).get(scope.project)
    own = ProjectSettings(project=scope.project) if item is None else item.body
    names = arguments.names or (*METRICS, *(own.forecasts or ()))
    country = arguments.holidays or own.holidays
    written = 0
    for metric in known:
        if metric.name not in names:
            continue
        found = await past(context.store, scope, metric)
        try:
            made = await make_forecast(scope, metric, found, arguments.horizon, country)
        except ImportError as error:
            raise StoreError("models_missing", MISSING) from error
        except UnknownCountry as error:
            if arguments.holidays:
                raise StoreError("unknown_country", str(error)) from error
            # It is a setting of the project: its forecasts go without.
            log.warning("holidays_unknown", project=scope.project, country=country)
            country = None
            made = await make_forecast(scope, metric, found, arguments.horizon)
        written += await keep_forecast(context.store, scope, metric, made)
    return written


FORECAST_METRICS: Final = Task(
    name="forecast_metrics",
    when=crontab("40 0 * * *"),
    description="Says what daily users, revenue, registrations and the metrics that a "
    "[project](projects.md) names are going to come to in the next 30 days, and keeps it, to be compared "
    "with what came ([forecasts](forecasts.md)).",
    run=forecast_metrics,
    replaces=("generate_predictive_insights",),
    arguments=ForecastArguments,
)
