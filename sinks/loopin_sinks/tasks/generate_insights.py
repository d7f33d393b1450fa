"""The task that looks for what is worth telling about a project's metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from loopin_schemas.insight import Insight
from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics.definition import Quotient, UsersSoFar, event_names, events
from loopin_sinks.forecasts.stored import Told, forecasts_before
from loopin_sinks.insights.anomalies import metric_anomalies
from loopin_sinks.insights.changes import changes
from loopin_sinks.insights.findings import KEPT_FOR, of_week
from loopin_sinks.insights.odd_users import odd_users
from loopin_sinks.insights.off_track import AGO, off_track
from loopin_sinks.insights.personas import persona_changes
from loopin_sinks.insights.predictions import predictions
from loopin_sinks.insights.standing import Known, standing
from loopin_sinks.insights.stored import open_insights, replace
from loopin_sinks.insights.trending import trending_content
from loopin_sinks.insights.unusual import WEEK, WEEKS
from loopin_sinks.metric_history.coverage import known_after
from loopin_sinks.metric_history.stored import Kept, kept_name, kept_values
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.store import Store
from loopin_sinks.tasks.by_project import Projects, by_project, projects_in
from loopin_sinks.tasks.calculate_metrics import metrics_of
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.telling import tell
from loopin_sinks.tasks.when import crontab
from loopin_streams.projects.bounds import bounded

DAYS: Final = KEPT_FOR.days
"""So many days that are over are judged anew: their values may have changed since."""


class InsightArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects; of all, without any."""

    projects: Projects = ()


async def generate(context: Context) -> int:
    """Look for insights, project by project; how many are new, others or withdrawn.

    Raises:
        StoreError: the store did not answer, or the broker, which is told of what is stored the next time.
    """
    arguments: InsightArguments = context.arguments
    # Of what was calculated and of what users did: a new project has nothing but events.
    kept = await projects_in(context.store, "metric_values", arguments.projects)
    projects = sorted({*kept, *await projects_in(context.store, "events", arguments.projects)})

    async def looked(project: str) -> int:
        scope, configured = context.scope(project, context.clock()), context.configuration
        metrics = [bounded(metric, project, configured) for metric in metrics_of(configured, project)]
        opened = await open_insights(context.store, project, scope.now)
        found = await insights(context.store, scope, metrics, opened)
        found += await metric_anomalies(context.store, scope, metrics, found)
        found += await persona_changes(context.store, scope, opened)
        found += await odd_users(context.store, scope)
        found += await predictions(context.store, scope)
        found += await trending_content(context.store, scope)
        return await replace(context.store, project, found, scope.now, before=opened)

    try:
        return await by_project(context, projects, looked)
    finally:
        # Also where one of them failed: of the others there may be news.
        await tell(context, projects)


async def insights(
    store: Store, scope: Scope, metrics: Sequence[Metric], opened: Sequence[Insight] = ()
) -> list[Insight]:
    """What there is to say about the last days and the last week that are over, or was of unknown ones.

    Raises:
        StoreError: the store did not answer.
    """
    today = scope.day_of(scope.now)
    back = today - _ripe_day(scope, *metrics)
    days = await _kept(store, scope, metrics, "day", today - back - WEEKS * WEEK - DAYS, today)
    weeks = await _kept(store, scope, metrics, "week", today - back - 2 * WEEK, today)
    told = await forecasts_before(store, scope, metrics, scope.now - AGO, AGO)
    # One for all, so that what several metrics are made of is asked for once.
    calculator = Calculator(store, scope)
    found: list[Insight] = []
    for metric in metrics:
        end = _ripe_day(scope, metric)
        ripe = {day: kept for day, kept in days[kept_name(metric)].items() if day < end}
        found += await changes(calculator, metric, ripe, range(end - DAYS, end))
        of_last = _of(scope, metric, ripe, weeks, told)
        found += [each for each in of_last if await _sent(calculator, metric, each)]
    return [*found, *standing(opened, metrics, Known(days, weeks, told.keys()))]


def _of(
    scope: Scope,
    metric: Metric,
    ripe: Mapping[int, Kept],
    weeks: Mapping[str, dict[int, Kept]],
    told: Mapping[str, dict[int, Told]],
) -> Iterator[Insight]:
    name, end = kept_name(metric), _ripe_day(scope, metric)
    over = [monday for monday in weeks[name] if monday + WEEK <= end]
    if over and (insight := of_week(scope, metric, weeks[name][max(over)], max(over))):
        yield insight
    if name in told and (insight := off_track(scope, metric, ripe, told[name])):
        yield insight


async def _sent(calculator: Calculator, metric: Metric, insight: Insight) -> bool:
    """Whether there ever was what an insight says there is too little of.

    A project that does not send such events misses no target: of a share, those that count as its part.
    """
    of = metric.definition
    names = event_names(of.part if isinstance(of, Quotient) else of)
    if insight.insight_type != "target_missed" or not names:
        return True
    start = from_epoch_ms(insight.evidence.start)
    week = Periods((start, start + timedelta(days=WEEK)))
    users = await calculator.values(UsersSoFar(events(*names)), week)
    return users.get((0, ""), 0.0) > 0


def _ripe_day(scope: Scope, *metrics: Metric) -> int:
    """The first day that is not to be judged yet, as what users do later counts for it; the least of all."""
    return min(
        (scope.day_of(scope.now - known_after(one.definition)) for one in metrics),
        default=scope.day_of(scope.now),
    )


async def _kept(
    store: Store, scope: Scope, metrics: Sequence[Metric], grain: Grain, first: int, end: int
) -> Mapping[str, dict[int, Kept]]:
    """By kept name and the number of a period's first day."""
    found: dict[str, dict[int, Kept]] = defaultdict(dict)
    told = [metric for metric in metrics if grain in metric.grains]
    kept = await kept_values(store, scope, told, grain, scope.midnight(first), scope.midnight(end))
    for (name, start), value in kept.items():
        found[name][scope.day_of(from_epoch_ms(start))] = value
    return found


GENERATE_INSIGHTS: Final = Task(
    name="generate_insights",
    when=crontab("20 */6 * * *"),
    description="Looks for what is worth telling: days of the last week on which a metric was far from what "
    "is usual on that weekday, key results that missed their target in the last week, metrics that have left "
    "the way that was forecast, hours that are far from what is usual, users whose persona changed or whose "
    "scores crossed a threshold, odd users, and content that is trending ([insights](insights.md)).",
    run=generate,
    replaces=("generate_daily_insights_summary", "generate_user_behavior_insights"),
    arguments=InsightArguments,
)
