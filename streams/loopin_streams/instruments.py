"""How a metric for Prometheus is declared: once, for the exposition and for the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets of durations."""

COUNTS: Final = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 50_000.0)
"""Buckets of sizes."""


Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One metric. ``name`` ends in its base unit; a counter is exposed with ``_total`` after it.

    Labels are never called ``job`` or ``instance``: those are Prometheus's own.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    def counter(self) -> CounterMetricFamily:
        """Samples of a counter, to be filled in."""
        return CounterMetricFamily(self.name, self.help, labels=self.labels)

    def gauge(self) -> GaugeMetricFamily:
        """Samples of a gauge, to be filled in."""
        return GaugeMetricFamily(self.name, self.help, labels=self.labels)

    def counting(self, registry: CollectorRegistry) -> Counter:
        """A counter to increase."""
        return Counter(self.name, self.help, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry) -> Histogram:
        """A histogram to observe into."""
        return Histogram(self.name, self.help, self.labels, buckets=self.buckets, registry=registry)
