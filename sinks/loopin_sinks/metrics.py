"""What a sink tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from time import time

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from loopin_sinks.sink import Sink

QUANTILES = (50, 90, 99)


class SinkCollector:
    """A sink's rows, freshness and latency, read when Prometheus asks."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def collect(self) -> Iterator[Metric]:
        """Rows stored by this process, seconds since the newest one, and send-to-queryable quantiles."""
        yield CounterMetricFamily(
            "loopin_sink_rows", "Rows inserted by this process.", value=self._sink.writer.stored_rows
        )
        newest = self._sink.writer.newest_received_ms
        if newest is not None:
            yield GaugeMetricFamily(
                "loopin_sink_freshness_seconds",
                "Age of the newest event stored, by the broker's append time.",
                value=max(0.0, time() - newest / 1000),
            )
        latency = GaugeMetricFamily(
            "loopin_send_to_queryable_ms",
            "Milliseconds from the client's sending to the end of the insert, of the latest 100,000 events.",
            labels=["percentile"],
        )
        for q in QUANTILES:
            value = self._sink.writer.latency.percentile(q)
            if value is not None:
                latency.add_metric([str(q)], value)
        yield latency
