"""The task that judges the hour up to now, and tells of odd users, every few minutes."""

from __future__ import annotations

from typing import Final

from loopin_sinks.insights.anomalies import is_of_metric, live_insights
from loopin_sinks.insights.findings import KEPT_FOR
from loopin_sinks.insights.odd_users import is_of_odd_user, odd_users
from loopin_sinks.insights.stored import open_insights, replace
from loopin_sinks.metric_anomalies.live import live_anomalies
from loopin_sinks.metric_anomalies.settled import settled, settled_of
from loopin_sinks.tasks.by_project import by_project, projects_in
from loopin_sinks.tasks.calculate_metrics import metrics_of
from loopin_sinks.tasks.detect_anomalies import AnomalyArguments
from loopin_sinks.tasks.task import Context, Task
from loopin_sinks.tasks.telling import tell
from loopin_sinks.tasks.when import crontab


async def detect_live(context: Context) -> int:
    """Judge the last hour of which all is known, project by project; how many insights are new.

    Of hours nothing is said while the stream is behind, nor of a project's while its events are not stored.

    Raises:
        StoreError: the store did not answer, or the broker, which is told of what is stored the next time.
    """
    arguments: AnomalyArguments = context.arguments
    now = context.clock()
    passed, since = await settled(context.store, now), now - KEPT_FOR
    measured = await projects_in(context.store, "metric_values", arguments.projects, since)
    odd = await projects_in(context.store, "anomalies", arguments.projects, since)
    projects = sorted({*measured, *odd})
    news: list[str] = []

    async def judged(project: str) -> int:
        store, scope = context.store, context.scope(project, context.clock())
        opened = await open_insights(store, project, scope.now)
        rows = await replace(store, project, await odd_users(store, scope), scope.now, is_of_odd_user, opened)
        end = await settled_of(store, scope, passed) if passed is not None and project in measured else None
        if end is not None:
            found = await live_anomalies(store, scope, metrics_of(context.configuration, project), end)
            told = [each for each in opened if is_of_metric(each)]
            if found:
                new = [*told, *live_insights(scope, found, opened)]
                rows += await replace(store, project, new, scope.now, is_of_metric, opened)
        if rows:
            news.append(project)
        return rows

    try:
        return await by_project(context, projects, judged)
    finally:
        # Also where one of them failed: of the others there may be news.
        if news:
            await tell(context, news)


DETECT_LIVE_ANOMALIES: Final = Task(
    name="detect_live_anomalies",
    when=crontab("*/5 * * * *"),
    description="Judges the hour up to now of the metrics that the stream adds up, and tells of what is very "
    "far from usual before the hour is over, and of odd users ([insights](insights.md)).",
    run=detect_live,
    arguments=AnomalyArguments,
)
