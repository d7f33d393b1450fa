"""The tasks that keep what metrics come to, so that their history outlives the events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final

import structlog
from msgspec import Meta

from loopin_schemas.metrics import CATALOGUE, Grain, Metric
from loopin_schemas.metrics.custom import CustomMetric
from loopin_sinks.metric_history.coverage import Coverage, coverage, covered_from, ripe_after
from loopin_sinks.metric_history.recalculate import GRAINS, LONGEST, ending_after, recalculate
from loopin_sinks.metric_history.stored import kept_name, last_kept
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.store import StoreError
from loopin_sinks.store.errors import STORE_UNREACHABLE
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab
from loopin_streams.kafka.config_state import Configuration

log = structlog.get_logger(__name__)

CLOSED_AFTER: Final = timedelta(minutes=5)
"""How long after its end a period is calculated: events are on their way for a while."""

FRESH: Final[dict[Grain, timedelta]] = {
    "hour": timedelta(hours=6),
    "day": timedelta(),
    "week": timedelta(),
    "month": timedelta(),
}
"""How long after its end a value is calculated again each hour, for events that came late."""

SETTLING: Final = timedelta(days=2)
"""How long after its end, or after it is known at all, a value is calculated again each night."""

AGAIN: Final = timedelta(days=35)
"""How long it is, where all events that it depends on are still there: merges of persons come late, too."""


class CalculateArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects (all, without any), and which metrics (all, without any)."""

    projects: Annotated[tuple[str, ...], Meta(max_length=1_000)] = ()
    names: Annotated[tuple[str, ...], Meta(max_length=200)] = ()


@dataclass(frozen=True, slots=True)
class _Project:
    """One project's part of a run."""

    scope: Scope
    covered: Coverage
    last: Mapping[tuple[str, Grain], datetime]
    nightly: bool

    def due(self, metric: Metric, grain: Grain) -> Periods | None:
        """The closed periods to calculate: those after the last that is kept, and what may have changed."""
        scope, until = self.scope, self.scope.now - CLOSED_AFTER
        last, again_from = self.last.get((kept_name(metric), grain)), self._again_from(metric, grain, until)
        since = max(self.covered.start, scope.now - timedelta(days=scope.retention.of(grain)))
        if last is not None:
            since = max(since, min(last, again_from))
        found = ending_after(grain, since, until, scope.zone)
        edges = found.edges if found is not None else ()
        for first, (start, end) in enumerate(zip(edges, edges[1:], strict=False)):
            settled = last is not None and start <= last and end <= again_from
            cut = self.covered.expired and start < self.covered.start
            if not settled and not cut:
                return Periods(edges[first:])
        return None

    def _again_from(self, metric: Metric, grain: Grain, until: datetime) -> datetime:
        """Periods that end after this are calculated again; they may have begun by ``LONGEST`` before."""
        if not self.nightly:
            return until - FRESH[grain]
        settled = until - SETTLING - ripe_after(metric.definition)
        whole = covered_from(self.covered, metric.definition, self.scope)
        return settled if whole is None else min(settled, max(until - AGAIN, whole + LONGEST[grain]))


async def calculate(context: Context, *, nightly: bool) -> int:
    """Calculate all that is due, project by project; how many values are new or others.

    A project whose values cannot be calculated keeps no other from its own.

    Raises:
        StoreError: of some project, at the end; the values of the others are kept.
    """
    arguments: CalculateArguments = context.arguments
    projects = await context.store.query(
        "SELECT DISTINCT toString(project) AS project FROM events ORDER BY project"
    )
    rows = 0
    failed: StoreError | None = None
    for row in projects:
        if not arguments.projects or row["project"] in arguments.projects:
            try:
                rows += await _calculate_project(context, row["project"], nightly)
            except StoreError as error:
                if error.code == STORE_UNREACHABLE:
                    raise
                log.warning("metrics_not_calculated", project=row["project"], reason=str(error))
                failed = error
    if failed is not None:
        raise failed
    return rows


async def _calculate_project(context: Context, name: str, nightly: bool) -> int:
    scope = context.scope(name, context.clock())
    covered = await coverage(context.store, scope)
    if covered is None:
        return 0
    wanted = [
        metric
        for metric in metrics_of(context.configuration, name)
        if not context.arguments.names or metric.name in context.arguments.names
    ]
    project = _Project(scope, covered, await last_kept(context.store, scope, wanted), nightly)
    # One for all, so that what several metrics are made of is asked for once.
    calculator, rows = Calculator(context.store, scope), 0
    for grain in GRAINS:
        periods = [(metric, project.due(metric, grain)) for metric in wanted if grain in metric.grains]
        due = [(metric, within) for metric, within in periods if within is not None]
        rows += len(await recalculate(context.store, calculator, grain, due))
    return rows


def metrics_of(configuration: Configuration, project: str) -> list[Metric]:
    """The catalogue's, then the project's own by name."""
    own = [
        item.body.metric() for item in configuration.of(CustomMetric).values() if item.body.project == project
    ]
    return [*CATALOGUE, *sorted(own, key=lambda metric: metric.name)]


async def _hourly(context: Context) -> int:
    return await calculate(context, nightly=False)


async def _nightly(context: Context) -> int:
    return await calculate(context, nightly=True)


CALCULATE_METRICS: Final = Task(
    name="calculate_metrics",
    when=crontab("5 * * * *"),
    description="Keeps the value of every metric for the hours, days, weeks and months that are over, since "
    "the last that is kept; the last 6 hours once more, for events that came late.",
    run=_hourly,
    replaces=("process-daily-metrics", "process_daily_metrics_calculation"),
    arguments=CalculateArguments,
)

RECALCULATE_METRICS: Final = Task(
    name="recalculate_metrics",
    when=crontab("15 2 * * *"),
    description="Calculates the values of the last 35 days once more, for late events, merged persons and "
    "what is only known later (retention), as far as all events that they depend on are still there.",
    run=_nightly,
    arguments=CalculateArguments,
)
