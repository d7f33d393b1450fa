"""The task that learns how to rank recommendations."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.recommendations import community_signals, event_signals
from loopin_sinks.recommendations.community_signals import community_week, counts
from loopin_sinks.recommendations.event_signals import host_counts
from loopin_sinks.recommendations.event_weeks import event_week
from loopin_sinks.recommendations.learn import WEEK_MS, Weeks, learn, measured
from loopin_sinks.recommendations.neighbours import neighbours
from loopin_sinks.recommendations.ranker import Ranker, check_installed
from loopin_sinks.recommendations.read import communities, demand, history, platform_events
from loopin_sinks.recommendations.read_checks import checks, places
from loopin_sinks.recommendations.recent import COMMUNITIES, EVENTS
from loopin_sinks.recommendations.stored import ItemType, StoredModel, keep_model, keep_neighbours
from loopin_sinks.store import Store
from loopin_sinks.tasks.by_project import Projects, by_project, projects_in
from loopin_sinks.tasks.task import Arguments, Context, Task
from loopin_sinks.tasks.when import crontab

log = structlog.get_logger(__name__)


class RefreshArguments(Arguments, frozen=True, forbid_unknown_fields=True):
    """Of which projects; of all, without any."""

    projects: Projects = ()


async def refresh(context: Context) -> int:
    """Learn weights and neighbours, project by project; how many rows were written.

    Raises:
        StoreError: the store did not answer, or what fits models is not installed.
    """
    arguments: RefreshArguments = context.arguments
    check_installed()
    projects = await projects_in(context.store, "events", arguments.projects)

    async def refreshed(project: str) -> int:
        scope = context.scope(project, context.clock())
        return await _events(context.store, scope) + await _communities(context.store, scope)

    return await by_project(context, projects, refreshed)


async def _events(store: Store, scope: Scope) -> int:
    events = await platform_events(store, scope)
    if not len(events):
        return 0
    known = await history(store, scope, EVENTS, events.number)
    wanted = await demand(store, scope, EVENTS, events.number)
    gates = {name: at for at, name in enumerate(events.community_names) if name}
    checked = await checks(store, scope, gates, known, await places(store, scope) if gates else ())
    model = await _learned(
        event_signals.SIGNALS,
        event_signals.BY_HAND,
        lambda at: event_week(events, known, wanted, checked, at),
        scope,
    )
    await keep_model(store, scope.project, "event", model)
    near = await asyncio.to_thread(neighbours, host_counts(events, known, epoch_ms(scope.now)))
    _tell(scope, "event", model)
    return 1 + await keep_neighbours(store, scope.project, "host", events.host_names, near, scope.now)


async def _communities(store: Store, scope: Scope) -> int:
    names = await communities(store, scope)
    if not names:
        return 0
    number = {name: at for at, name in enumerate(names)}
    known = await history(store, scope, COMMUNITIES, number)
    wanted = await demand(store, scope, COMMUNITIES, number)
    checked = await checks(store, scope, number, known, await places(store, scope))
    model = await _learned(
        community_signals.SIGNALS,
        community_signals.BY_HAND,
        lambda at: community_week(len(names), known, wanted, checked, at),
        scope,
    )
    await keep_model(store, scope.project, "community", model)
    near = await asyncio.to_thread(neighbours, counts(len(names), known))
    _tell(scope, "community", model)
    return 1 + await keep_neighbours(store, scope.project, "community", names, near, scope.now)


async def _learned(names: tuple[str, ...], hand: Ranker, week: Weeks, scope: Scope) -> StoredModel:
    """What is learned of the weeks that are over, and how good what was known a week ago was in the last."""
    now = epoch_ms(scope.now)

    def work() -> StoredModel:
        judged = learn(names, week, now - WEEK_MS) or hand
        precision, popularity, users = measured(week(now - WEEK_MS), judged)
        return StoredModel(learn(names, week, now) or hand, scope.now, precision, popularity, users)

    return await asyncio.to_thread(work)


def _tell(scope: Scope, kind: ItemType, model: StoredModel) -> None:
    log.info(
        "recommendations_learned",
        project=scope.project,
        items=kind,
        learned=model.ranker.learned,
        precision=model.precision,
        popularity=model.popularity,
        users=model.judged_users,
    )


REFRESH_RECOMMENDATIONS: Final = Task(
    name="refresh_recommendations",
    when=crontab("50 3 * * *"),
    description="Learns from the last three weeks what speaks for an event or a community to a user, and how "
    "good that is beside popularity ([recommendations](recommendations.md)).",
    run=refresh,
    arguments=RefreshArguments,
)
