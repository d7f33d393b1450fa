"""The task that finds the kinds of a project's users."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from loopin_sinks.metric_values.scope import Scope
from loopin_sinks.personas.features import FEATURES
from loopin_sinks.personas.fit import check_installed
from loopin_sinks.personas.read import activity
from loopin_sinks.personas.run import Run, personas_of
from loopin_sinks.personas.stored import StoredRun, keep, kept_personas, newest_run
from loopin_sinks.store import Store
from loopin_sinks.tasks.by_project import Projects, by_project, projects_in
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab

_AT_WORK: Final = ThreadPoolExecutor(1, thread_name_prefix="personas")
"""One fit at a time, beside the threads that serve requests and inserts."""

log = structlog.get_logger(__name__)


class ClusterArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects; of all, without any."""

    projects: Projects = ()


async def cluster(context: Context) -> int:
    """Give users their personas, project by project; how many rows were written.

    Raises:
        StoreError: the store did not answer, or what fits models is not installed.
    """
    arguments: ClusterArguments = context.arguments
    check_installed()
    projects = await projects_in(context.store, "events", arguments.projects)

    async def clustered(project: str) -> int:
        return await _of_project(context.store, context.scope(project, context.clock()))

    return await by_project(context, projects, clustered)


async def _of_project(store: Store, scope: Scope) -> int:
    kept = await kept_personas(store, scope.project)
    former = await newest_run(store, scope.project, scope.now)
    run = await found_now(store, scope, former, {user: of.persona for user, of in kept.items()})
    if run is None:
        log.info("too_few_users_to_cluster", project=scope.project)
        return 0
    return await keep(store, scope.project, run, kept, scope.now)


async def found_now(
    store: Store, scope: Scope, former: StoredRun | None, present: Mapping[str, str]
) -> Run | None:
    """A run over the project's events as they are; nothing is stored. None for too few users.

    Raises:
        StoreError: the store did not answer, or what fits models is not installed.
    """
    check_installed()
    known = former.clusters if former is not None and former.features == FEATURES else ()
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_AT_WORK, personas_of, await activity(store, scope), known, present)


CLUSTER_USERS: Final = Task(
    name="cluster_users",
    when=crontab("40 3 * * *"),
    description="Finds the kinds of users there are by what they did in the last 90 days, names them, and "
    "notes whose kind changed ([personas](personas.md)).",
    run=cluster,
    replaces=("perform_user_clustering",),
    arguments=ClusterArguments,
)
