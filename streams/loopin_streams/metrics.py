"""What a stream worker tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from loopin_streams.kafka.runner import Runner


class RunnerCollector:
    """The counts of the open partitions' markers, read when Prometheus asks.

    They are totals since each partition's first record, so they survive restarts and move with the
    partition from worker to worker; sum them over all workers.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def collect(self) -> Iterator[Metric]:
        """Counters by outcome, and the number of open partitions."""
        counts = self._runner.counts()
        labels = ["job"]
        job = self._runner.job.name
        read = CounterMetricFamily("loopin_events_read", "Input records absorbed.", labels=labels)
        read.add_metric([job], counts.read)
        yield read
        passed = CounterMetricFamily("loopin_events_passed", "Records that came through.", labels=labels)
        passed.add_metric([job], counts.passed)
        yield passed
        for name, by_reason, text in (
            ("loopin_events_dropped", counts.dropped, "Records left out on purpose."),
            ("loopin_events_dead_lettered", counts.dead_lettered, "Records sent to the dead letters."),
        ):
            family = CounterMetricFamily(name, text, labels=["job", "reason"])
            for reason, number in by_reason.items():
                family.add_metric([job, reason], number)
            yield family
        open_now = GaugeMetricFamily("loopin_partitions_open", "Input partitions held.", labels=labels)
        open_now.add_metric([job], len(self._runner.opened))
        yield open_now


def registry_of(runner: Runner) -> CollectorRegistry:
    """A registry with the runner's metrics."""
    registry = CollectorRegistry()
    registry.register(RunnerCollector(runner))
    return registry
