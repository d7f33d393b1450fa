"""What the roles that store have in common: the sinks of one process, and all that watches them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from loopin_deploy.consumers import ENRICH, EVENTS, MERGE, METRIC_WINDOWS, as_committed
from loopin_deploy.roles.components import run_together
from loopin_schemas.topics import ENRICHED, METRICS
from loopin_sinks.metered_store import MeteredStore
from loopin_sinks.metric_sink import MetricSink
from loopin_sinks.metrics import SinkCollector, freshness_s, received_ms
from loopin_sinks.repair.repairer import Repairer
from loopin_sinks.settings import SinkSettings
from loopin_sinks.sink import Sink
from loopin_sinks.store import Store, StoreSettings
from loopin_streams.kafka.lag import Consumption, LagLimits, LagWatch
from loopin_streams.kafka.logs import Logs
from loopin_streams.kafka.topic_admin import TopicInfo
from loopin_streams.memory import settle_memory
from loopin_streams.metrics import LagCollector, register_process
from loopin_streams.readiness import LAG, PARTITIONS, REFUSED, Checks

OWN = (EVENTS.consumer, METRIC_WINDOWS.consumer)


@dataclass(frozen=True)
class Storing:
    """The sinks of one process. ``store`` is the given one, with its inserts measured in ``registry``."""

    store: Store
    sink: Sink
    metric_sink: MetricSink
    repairer: Repairer
    watch: LagWatch
    registry: CollectorRegistry

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
        return self.sink.writer.failing or self.metric_sink.failing

    def refused(self) -> str | None:
        """Which partitions are left alone and why, until somebody acts; None when all are stored."""
        return " ".join(filter(None, (self.sink.refused(), self.metric_sink.refused()))) or None

    def freshness_s(self) -> float | None:
        """Age of the oldest received event that is neither queryable nor left out; None while unknown."""
        return freshness_s(self.watch, ENRICH.consumer)

    async def run(self, stop: asyncio.Event) -> None:
        """Store until ``stop`` is set."""
        settle_memory()
        await run_together(stop, self.sink.run, self.metric_sink.run, self.repairer.run, self.watch.run)


def storing(
    role: str,
    settings: SinkSettings,
    store_settings: StoreSettings,
    store: Store,
    topics: Mapping[str, TopicInfo],
) -> Storing:
    """The sinks of the role ``role``; ``topics`` is what the broker says of those they read, by name."""
    enriched = topics[ENRICHED.name]
    registry = CollectorRegistry()
    metered = MeteredStore(store, registry)
    sink = Sink(settings, metered, store_settings, enriched.id)
    metric_sink = MetricSink(settings, metered, store_settings.retention, topics[METRICS.name].id)
    repairer = Repairer(
        settings,
        metered,
        store_settings.retention,
        partitions=enriched.partitions,
        leads=lambda: sink.leads,
    )
    logs = Logs(settings.kafka_bootstrap)
    watch = LagWatch(
        logs,
        [
            Consumption(EVENTS.consumer, settings.topic(ENRICHED.name), sink.positions, received_ms),
            Consumption(METRIC_WINDOWS.consumer, settings.topic(METRICS.name), metric_sink.positions),
            *(as_committed(group, settings, logs) for group in (ENRICH, MERGE)),
        ],
        LagLimits.of(settings),
    )
    registry.register(SinkCollector(sink, metric_sink, repairer, watch, ENRICH.consumer))
    registry.register(LagCollector(watch, OWN))
    register_process(registry, role)
    return Storing(metered, sink, metric_sink, repairer, watch, registry)
