"""The application: its endpoints, and how they are put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from loopin_api import errors, openapi
from loopin_api.alert_rules import AlertRules
from loopin_api.auth import authenticator
from loopin_api.config_items import ConfigItems, Writer
from loopin_api.corrections import Corrections
from loopin_api.custom_metrics import Metrics
from loopin_api.delivery import Publisher
from loopin_api.health import Component, HealthBoard, Probe
from loopin_api.ingest.bodies import Bodies
from loopin_api.ingest.circuit import Circuit
from loopin_api.ingest.held import Held, Reserve
from loopin_api.ingest.intake import Intake
from loopin_api.ingest.limits import Limits
from loopin_api.ingest.origins import Cors, Origins
from loopin_api.ingest.privacy import Privacy
from loopin_api.ingest.refusals import Refusals
from loopin_api.ingest.turns import Aside
from loopin_api.instruments import Instruments
from loopin_api.keys import Configured, Key
from loopin_api.language_model import LanguageModel
from loopin_api.live.clients import Live
from loopin_api.live.feed import Feed
from loopin_api.live.online import OnlineWatch
from loopin_api.middleware import Guard, HeadAsGet, TrailingSlash
from loopin_api.project_settings import OwnSettings
from loopin_api.queries.first_personas import FirstPersonas
from loopin_api.queries.freshness import freshness_s
from loopin_api.routers import (
    activity,
    alert_backtest,
    alert_rules,
    alerts,
    anomalies,
    batch,
    browser,
    business,
    clustering,
    communities,
    content,
    daily,
    error_groups,
    error_log,
    events,
    export,
    geo,
    health,
    history,
    index,
    insight_generation,
    insight_lineage,
    insights,
    live,
    metric_definitions,
    metrics,
    overview,
    posthog,
    posthog_config,
    posthog_v1,
    predictions,
    project,
    real_time,
    recalculation,
    recommendations,
    records,
    segment,
    sentiment,
    silences,
    system_metrics,
    tasks,
    track,
    user,
    user_analytics,
    user_behavior,
    users,
)
from loopin_api.services import Services
from loopin_api.settings import ApiSettings
from loopin_api.silences import Silences
from loopin_api.tasks import Tasks
from loopin_api.version import VERSION
from loopin_sinks.metric_history.coverage import coverage
from loopin_sinks.metric_values.scope import scope_of
from loopin_sinks.recommendations.shared import Shared
from loopin_sinks.store import Store
from loopin_streams.kafka.config_metrics import ConfigCollector
from loopin_streams.projects.project import Projects, zone_of
from loopin_streams.readiness import CONFIGURATION, Checks
from loopin_text.sentiment import score

ROUTERS: Final[tuple[APIRouter, ...]] = (
    overview.router,
    business.router,
    content.router,
    users.router,
    user.router,
    user_behavior.router,
    clustering.router,
    recommendations.router,
    insight_generation.router,
    insight_lineage.router,  # before the insights, whose ids have slashes
    insights.router,
    real_time.router,
    live.router,
    metrics.router,
    recalculation.router,
    metric_definitions.router,
    predictions.router,
    alerts.router,
    anomalies.router,
    alert_rules.router,
    alert_backtest.router,
    silences.router,
    tasks.router,
    project.router,
    communities.router,
    geo.router,
    history.router,  # before the rows, whose ids may have slashes
    daily.router,
    user_analytics.router,
    error_groups.router,  # before the errors: its path could be an error's, too
    error_log.router,
    system_metrics.router,
    sentiment.router,
    track.router,
    browser.router,
    events.router,
    batch.router,
    activity.router,
    records.router,
    posthog.router,
    posthog_v1.router,
    posthog_config.router,
    segment.router,
    export.router,
    health.router,
    index.router,
)

SPOOL: Final = "spool"
"""The component that keeps events on disk."""

BODIES: Final[tuple[type[BaseModel], ...]] = (
    sentiment.SentimentRequest,
    user_behavior.UserBehaviorRequest,
    clustering.ClusteringRequest,
    insights.InsightQuery,
    insights.DismissRequest,
    insights.RateRequest,
    track.TrackRequest,
    events.AnalyticsEvent,
    batch.BatchRequest,
    activity.CommunityActivity,
    activity.GeoAttempt,
    records.SystemMetricRequest,
    records.ErrorLogRequest,
    metric_definitions.MetricDefinitionRequest,
    user_analytics.UserDayRequest,
    user_analytics.UserDayCorrectionRequest,
    daily.DailyRequest,
    daily.DailyCorrectionRequest,
    error_groups.ErrorGroupRequest,
    error_log.ErrorCorrectionRequest,
    system_metrics.SystemMetricCorrectionRequest,
    alerts.AcknowledgementRequest,
    alert_rules.AlertRuleRequest,
    alert_rules.AlertRulePatch,
    alert_backtest.BacktestRequest,
    silences.SilenceRequest,
    recalculation.CalculateRequest,
    tasks.RunRequest,
    tasks.AddedSchedule,
    tasks.ChangedSchedule,
    project.ProjectPatch,
    posthog.PostHogBatch,
    posthog_v1.PostHogV1Batch,
    segment.SegmentBatch,
    segment.SegmentMessage,
)
"""Request bodies, for the OpenAPI description."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: ApiSettings,
    store: Store,
    publisher: Publisher,
    *,
    keys: Sequence[Key] = (),
    config: Configured | None = None,
    writer: Writer | None = None,
    reserve: Reserve | None = None,
    probes: Mapping[str, Probe] | None = None,
    checks: Checks | None = None,
    freshness: Callable[[], float | None] = lambda: None,
    clock: Callable[[], datetime] = _utc_now,
) -> FastAPI:
    """The HTTP application over an open store and a client of the broker, both of which stay the caller's.

    Args:
        settings: whom to trust, and limits.
        store: answers the queries.
        publisher: takes the tracked events; a ``Loopin`` client of any project serves all projects.
        keys: keys beside those of the settings' file.
        config: what is configured, followed by the caller; None where nothing is but by settings.
        writer: changes what is configured; without one, nobody can by this API.
        reserve: keeps events while the broker is away; without one they are refused then.
        probes: further components of ``/api/analytics/health``, by name.
        checks: what ``/readyz`` asks beside the store.
        freshness: up to how many seconds ago all received events are queryable; None while unknown.
        clock: the time now, aware.

    Raises:
        ConfigurationError: the secret or the keys file cannot be used.
        LanguageModelError: only half of the language model is configured.
    """
    instruments, origins = Instruments(), Origins(settings.cors_origins)
    items = ConfigItems(config, writer)
    known_metrics = Metrics(items)
    projects = Projects(settings.project, lambda: items.configuration)
    known = authenticator(settings, keys, config)
    probes = {"store": lambda: _ask_store(store, clock), **(probes or {})}
    if reserve is not None:
        probes[SPOOL] = lambda: _ask_reserve(reserve)
    if config is not None:
        instruments.registry.register(ConfigCollector(config))
        checks = {**(checks or {}), CONFIGURATION: config.unready}
        probes[CONFIGURATION] = lambda: _ask_config(config)
    app = FastAPI(
        title="loopin-analytics",
        version=VERSION,
        description=openapi.DESCRIPTION,
        redirect_slashes=False,
        lifespan=_lifespan,
    )
    app.state.services = Services(
        settings=settings,
        store=store,
        authenticator=known,
        clock=clock,
        intake=Intake(
            settings=settings,
            authenticator=known,
            publisher=publisher,
            bodies=Bodies(settings.max_ingest_bytes, settings.ingest_memory_bytes),
            limits=Limits(settings),
            origins=origins,
            protect=Privacy(settings),
            refusals=Refusals(settings),
            circuit=Circuit(lambda: settings.publish_timeout_s, lambda: publisher.broker_is_down),
            held=None if reserve is None else Held(reserve, instruments),
            aside=Aside(),
            instruments=instruments,
        ),
        health=HealthBoard(probes, checks, freshness),
        instruments=instruments,
        metrics=known_metrics,
        items=items,
        alert_rules=AlertRules(items, known_metrics),
        silences=Silences(items),
        corrections=Corrections(items, lambda project: _days(projects, store, clock, project)),
        live=Live(
            Feed(instruments), OnlineWatch(projects, store, clock), settings.live_max_clients, instruments
        ),
        tasks=Tasks(items, store, zone_of(settings.project_timezone), projects.zone),
        projects=projects,
        own_settings=OwnSettings(items, projects),
        language_model=LanguageModel(settings.language_model(), settings.openai_timeout_s),
        first_personas=FirstPersonas(),
        recommended=Shared(store),
    )
    # As they are, and not by `include_router`, which builds each once more at the first request of each app.
    for router in ROUTERS:
        app.router.routes.extend(router.routes)
    errors.install(app)
    openapi.install(app, ROUTERS, BODIES)
    app.add_middleware(Guard, instruments=instruments)
    app.add_middleware(Cors, origins=origins)
    app.add_middleware(HeadAsGet)
    app.add_middleware(TrailingSlash)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await asyncio.to_thread(score, "warm")  # reads the lexicon, so that the first request need not
    yield
    app.state.services.language_model.close()


async def _ask_store(store: Store, clock: Callable[[], datetime]) -> Component:
    await store.ping()
    return Component(ok=True, version=await store.version(), freshness_s=await freshness_s(store, clock()))


async def _days(
    projects: Projects, store: Store, clock: Callable[[], datetime], project: str
) -> tuple[int, int]:
    scope = scope_of(projects, project, clock())
    covered = await coverage(store, scope)
    first = 0 if covered is None or not covered.expired else scope.day_of(covered.start)
    return first, scope.day_of(scope.now)


async def _ask_reserve(reserve: Reserve) -> Component:
    waiting = reserve.waiting
    reason = f"{waiting} events are kept on disk until the broker has them." if waiting else None
    return Component(ok=not reserve.is_down, reason=reason)


async def _ask_config(config: Configured) -> Component:
    broken = len(config.configuration.broken)
    reason = config.uncertain()
    if reason is None and broken:
        reason = (
            f"{broken} of its records cannot be read: this process's log and `loopin keys list` name them."
        )
    return Component(ok=reason is None, reason=reason)
