"""The task that judges the metrics of a project by what is usual at that time of the week."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loopin_schemas.metrics import Metric
from loopin_sinks.insights.anomalies import is_of_metric, metric_anomalies
from loopin_sinks.insights.stored import open_insights, replace
from loopin_sinks.metric_anomalies.sweep import sweep
from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.store import Store
from loopin_sinks.tasks.by_project import Projects, by_project, projects_in
from loopin_sinks.tasks.calculate_metrics import metrics_of
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.telling import tell
from loopin_sinks.tasks.when import crontab


class AnomalyArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects; of all, without any."""

    projects: Projects = ()


async def detect(context: Context) -> int:
    """Judge the last periods that are over, project by project; how many rows are new, other or withdrawn.

    What there is to say of them is kept and told at once, beside the other insights as they are.

    Raises:
        StoreError: the store did not answer, or the broker, which is told of what is stored the next time.
    """
    arguments: AnomalyArguments = context.arguments
    projects = await projects_in(context.store, "metric_values", arguments.projects)
    news: list[str] = []

    async def judged(project: str) -> int:
        scope = context.scope(project, context.clock())
        metrics = metrics_of(context.configuration, project)
        rows = await sweep(context.store, scope, metrics)
        if changed := await _insights(context.store, scope, metrics):
            news.append(project)
        return rows + changed

    try:
        return await by_project(context, projects, judged)
    finally:
        # Also where one of them failed: of the others there may be news.
        if news:
            await tell(context, news)


async def _insights(store: Store, scope: Scope, metrics: Sequence[Metric]) -> int:
    """How many insights are new, other or withdrawn."""
    told = await open_insights(store, scope.project, scope.now)
    found = await metric_anomalies(store, scope, metrics, told)
    return await replace(store, scope.project, found, scope.now, is_of_metric, told)


DETECT_ANOMALIES: Final = Task(
    name="detect_anomalies",
    when=crontab("10,40 * * * *"),
    description="Judges the last 48 hours of every metric that has a season (of those made of days, the last "
    "seven) by what is usual at that time of the week, keeps what is far from it, and tells of it "
    "([insights](insights.md)).",
    run=detect,
    replaces=("detect_anomalies_batch",),
    arguments=AnomalyArguments,
)
