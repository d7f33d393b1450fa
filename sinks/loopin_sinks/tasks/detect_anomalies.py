"""The task that judges every metric of a project by what is usual at that time of the week."""

from __future__ import annotations

from typing import Final

from loopin_sinks.metric_anomalies.sweep import sweep
from loopin_sinks.tasks.by_project import Projects, by_project, projects_in
from loopin_sinks.tasks.calculate_metrics import metrics_of
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab


class AnomalyArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects; of all, without any."""

    projects: Projects = ()


async def detect(context: Context) -> int:
    """Judge the last periods that are over, project by project; how many rows are new, other or withdrawn.

    Raises:
        StoreError: the store did not answer.
    """
    arguments: AnomalyArguments = context.arguments
    projects = await projects_in(context.store, "metric_values", arguments.projects)

    async def judged(project: str) -> int:
        scope = context.scope(project, context.clock())
        return await sweep(context.store, scope, metrics_of(context.configuration, project))

    return await by_project(context, projects, judged)


DETECT_ANOMALIES: Final = Task(
    name="detect_anomalies",
    when=crontab("10,40 * * * *"),
    description="Judges the last 48 hours of every metric (of those made of days, the last seven) by what is "
    "usual at that time of the week, and keeps what is far from it ([insights](insights.md)).",
    run=detect,
    replaces=("detect_anomalies_batch",),
    arguments=AnomalyArguments,
)
