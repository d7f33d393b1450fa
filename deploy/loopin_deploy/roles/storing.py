"""What the roles that store have in common: the sinks of one process, and all that watches them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from functools import partial
from time import time
from typing import Any

from prometheus_client import CollectorRegistry

from loopin_deploy.consumers import (
    ALERT_RECORDS,
    ENRICH,
    EVENTS,
    HISTORY,
    IDENTITY,
    MERGE,
    METRIC_WINDOWS,
    ODD,
    PERSONS,
    USERS,
    as_committed,
)
from loopin_deploy.roles.components import run_together
from loopin_schemas.alert_rules.models import MODEL_HEALTH, MODEL_SHIFT, MODELS_BROKEN
from loopin_schemas.alert_rules.pipeline import FRESHNESS, SINK_LAG, STREAM_LAG
from loopin_schemas.topics import (
    ALERTS,
    ANOMALIES,
    CONFIG,
    ENRICHED,
    INSIGHTS,
    METRICS,
    PERSON_MERGES,
    PROFILES,
)
from loopin_sinks.alerts.measured import ScopeOf
from loopin_sinks.alerts.numbers import Health
from loopin_sinks.alerts.sink import AlertSink
from loopin_sinks.alerts.totals import Total
from loopin_sinks.alerts.watcher import AlertWatcher
from loopin_sinks.anomalies.sink import AnomalySink
from loopin_sinks.config_history import ConfigHistorySink
from loopin_sinks.insights.told import InsightTeller
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.metered_store import MeteredStore
from loopin_sinks.metric_sink import MetricSink
from loopin_sinks.metric_values.scope import from_epoch_ms, scope_of
from loopin_sinks.metrics import SinkCollector, freshness_s, received_ms
from loopin_sinks.persons.look import PersonWindows
from loopin_sinks.persons.profile_sink import ProfileSink
from loopin_sinks.persons.sink import PersonSink
from loopin_sinks.repair.repairer import Repairer
from loopin_sinks.rollups.metrics import RollupCollector
from loopin_sinks.rollups.roller import DayRoller
from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store
from loopin_sinks.tasks.metrics import TaskCollector
from loopin_sinks.tasks.runner import TaskRunner
from loopin_streams.kafka.config_log import ConfigLog
from loopin_streams.kafka.config_writer import config_writer
from loopin_streams.kafka.lag import Consumption, LagLimits, LagWatch
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.topic_admin import TopicInfo
from loopin_streams.learning.model_health import degraded, greatest_shift
from loopin_streams.learning.model_log import ModelLog
from loopin_streams.learning.models import Models
from loopin_streams.learning.pins import Pins
from loopin_streams.memory import settle_memory
from loopin_streams.metrics import LagCollector, register_process
from loopin_streams.projects.project import Projects, zone_of
from loopin_streams.readiness import LAG, PARTITIONS, REFUSED, Checks

STORED = (
    ENRICHED.name,
    METRICS.name,
    PERSON_MERGES.name,
    PROFILES.name,
    CONFIG.name,
    ALERTS.name,
    ANOMALIES.name,
    INSIGHTS.name,
)
"""Topics that a role which stores must find."""

OWN = (EVENTS.consumer, METRIC_WINDOWS.consumer, PERSONS.consumer, ALERT_RECORDS.consumer, ODD.consumer)
"""Consumers whose lag says that the role is not ready; profiles are stored now and then only."""


@dataclass(frozen=True)
class Storing:
    """The sinks of one process. ``store`` is the given one, with its inserts measured in ``registry``."""

    store: Store
    sink: Sink
    others: tuple[LatestSink[Any, Any], ...]
    repairer: Repairer
    person_windows: PersonWindows
    tasks: TaskRunner
    roller: DayRoller
    watcher: AlertWatcher
    watch: LagWatch
    registry: CollectorRegistry
    config: ConfigLog
    models: ModelLog

    @property
    def checks(self) -> Checks:
        """What the role's readiness consists of."""
        return {
            "store": self.failing,
            PARTITIONS: self.sink.opening,
            REFUSED: self.refused,
            LAG: lambda: self.watch.unready(OWN),
        }

    def failing(self) -> str | None:
        """One sentence while the store refuses inserts."""
        return self.sink.writer.failing or next((e.failing for e in self.others if e.failing), None)

    def refused(self) -> str | None:
        """Which partitions are left alone and why, until somebody acts; None when all are stored."""
        refusals = (self.sink.refused(), *(each.refused() for each in self.others))
        return " ".join(filter(None, refusals)) or None

    def freshness_s(self) -> float | None:
        """Age of the oldest received event that is neither queryable nor left out; None while unknown."""
        return freshness_s(self.watch, ENRICH.consumer)

    async def run(self, stop: asyncio.Event) -> None:
        """Store until ``stop`` is set."""
        settle_memory()
        # How long events are kept, and who is left out, is read before the first is stored.
        await self.config.until_known(stop)
        others = [each.run for each in self.others]
        leading = (
            self.repairer.run,
            self.person_windows.run,
            self.roller.run,
            self.tasks.run,
            self.watcher.run,
        )
        await run_together(stop, self.sink.run, *others, *leading, self.watch.run, self.models.run)


def storing(
    role: str,
    settings: SinkSettings,
    store: Store,
    topics: Mapping[str, TopicInfo],
    config: ConfigLog,
) -> Storing:
    """The sinks of the role ``role``; ``topics`` is what the broker says of those they read, by name.

    ``config`` is followed by the caller.
    """
    enriched = topics[ENRICHED.name]
    registry = CollectorRegistry()
    metered = MeteredStore(store, registry)
    projects = Projects(settings.project, lambda: config.configuration)
    sink = Sink(settings, metered, projects, enriched.id)
    metric_sink = MetricSink(settings, metered, projects, topics[METRICS.name].id)
    person_sink = PersonSink(settings, metered, topics[PERSON_MERGES.name].id)
    profile_sink = ProfileSink(settings, metered, topics[PROFILES.name].id)
    history_sink = ConfigHistorySink(settings, metered, topics[CONFIG.name].id)
    alert_sink = AlertSink(settings, metered, topics[ALERTS.name].id)
    anomaly_sink = AnomalySink(settings, metered, topics[ANOMALIES.name].id)
    others = (metric_sink, person_sink, profile_sink, history_sink, alert_sink, anomaly_sink)
    repairer = Repairer(
        settings,
        metered,
        projects,
        partitions=enriched.partitions,
        leads=lambda: sink.leads,
    )
    logs = Logs(settings.kafka_bootstrap)
    watch = LagWatch(
        logs,
        [
            Consumption(EVENTS.consumer, settings.topic(ENRICHED.name), sink.positions, received_ms),
            Consumption(METRIC_WINDOWS.consumer, settings.topic(METRICS.name), metric_sink.positions),
            Consumption(PERSONS.consumer, settings.topic(PERSON_MERGES.name), person_sink.positions),
            Consumption(USERS.consumer, settings.topic(PROFILES.name), profile_sink.positions),
            Consumption(HISTORY.consumer, settings.topic(CONFIG.name), history_sink.positions),
            Consumption(ALERT_RECORDS.consumer, settings.topic(ALERTS.name), alert_sink.positions),
            Consumption(ODD.consumer, settings.topic(ANOMALIES.name), anomaly_sink.positions),
            *(as_committed(group, settings, logs) for group in (ENRICH, MERGE, IDENTITY)),
        ],
        LagLimits.of(settings),
    )
    registry.register(SinkCollector(sink, others, repairer, watch, ENRICH.consumer))
    registry.register(LagCollector(watch, (*OWN, USERS.consumer, HISTORY.consumer)))
    register_process(registry, role)
    person_windows = PersonWindows(metered, leads=lambda: sink.leads)
    tasks = TaskRunner(
        metered,
        config,
        scope=partial(scope_of, projects),
        zone=zone_of(settings.project_timezone),
        leads=lambda: sink.leads,
        writer=config_writer(settings),
        teller=InsightTeller(settings),
        language_model=settings.language_model(),
        judges_texts=settings.ai_enabled,
    )
    registry.register(TaskCollector(tasks))
    roller = DayRoller(
        metered,
        projects,
        interval_s=settings.rollup_interval_s,
        leads=lambda: sink.leads,
    )
    registry.register(RollupCollector(roller))
    models = ModelLog(settings)
    watcher = AlertWatcher(
        settings,
        metered,
        config,
        scope_of=_scopes(projects),
        health=_health(watch, models, Pins(lambda: config.configuration)),
        leads=lambda: sink.leads,
        zone=projects.zone,
    )
    registry.register(watcher)
    return Storing(
        *(metered, sink, others, repairer, person_windows, tasks, roller, watcher, watch, registry),
        config,
        models,
    )


def _scopes(projects: Projects) -> ScopeOf:
    """Events as the API counts them, but in days of UTC, as the stream's windows are."""
    return lambda project, now_ms: replace(scope_of(projects, project, from_epoch_ms(now_ms)), zone=UTC)


def _health(watch: LagWatch, models: ModelLog, pins: Pins) -> Health:
    """The numbers of the pipeline and of the models, as this process sees them."""

    def health(metric: str) -> Total:
        if metric in MODEL_HEALTH:
            return model_health(metric, models.held, pins) if models.known.is_set() else Total(0, None)
        if metric == FRESHNESS:
            return Total(0, freshness_s(watch, ENRICH.consumer))
        lag = watch.lag({STREAM_LAG: ENRICH.consumer, SINK_LAG: EVENTS.consumer}[metric])
        return Total(0, None) if lag is None else Total(lag.events, lag.seconds)

    return health


def model_health(metric: str, models: Models, pins: Pins) -> Total:
    """One of ``MODEL_HEALTH`` now."""
    if metric == MODELS_BROKEN:
        return Total(len(models.broken), float(len(models.broken)))
    if metric == MODEL_SHIFT:
        return Total(0, greatest_shift(models))
    number = degraded(models, pins.of_all(), round(time() * 1000))
    return Total(number, float(number))
