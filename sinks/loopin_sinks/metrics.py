"""What a sink tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from prometheus_client.core import Metric

from loopin_schemas.codec import decoder
from loopin_sinks.alerts.rows import ALERTS
from loopin_sinks.anomalies.rows import ANOMALIES
from loopin_sinks.config_history import CONFIG_HISTORY
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.metered_store import STORE_METRICS
from loopin_sinks.persons.profile_rows import PROFILES
from loopin_sinks.persons.rows import PERSON_MERGES
from loopin_sinks.repair.repairer import Repairer
from loopin_sinks.repair.requests import MAX_PENDING
from loopin_sinks.sink import Sink
from loopin_sinks.window_rows import METRIC_WINDOWS
from loopin_sinks.writer import TABLE
from loopin_streams.instruments import Instrument
from loopin_streams.kafka.lag import LagWatch

EVENTS = TABLE
WINDOWS = METRIC_WINDOWS
PERSONS = PERSON_MERGES
USERS = PROFILES
HISTORY = CONFIG_HISTORY
ALERT_RECORDS = ALERTS
ODD = ANOMALIES
"""Names of the sinks as consumers: the tables that they write."""

QUANTILES = (0.5, 0.9, 0.99)

READ = Instrument("loopin_sink_records_read", "counter", "Records consumed by this process.", ("table",))
ROWS = Instrument(
    "loopin_sink_rows",
    "counter",
    "Rows stored by this process: events, merges and alerts once each, of windows and profiles the newest "
    "version at each insert.",
    ("table",),
)
UNREADABLE = Instrument(
    "loopin_sink_unreadable",
    "counter",
    "Records that are not of this release; those of events go to the dead letters.",
    ("table",),
)
FRESHNESS = Instrument(
    "loopin_freshness_seconds",
    "gauge",
    "All events received up to this many seconds ago are queryable, or were dead-lettered or dropped: "
    "the age of the oldest that is not, 0 when there is none. It may be a second too high.",
)
NEWEST_EVENT = Instrument(
    "loopin_sink_newest_event_timestamp_seconds",
    "gauge",
    "When the newest event that this process has stored was received, Unix time; absent before the first.",
)
SEND_TO_QUERYABLE = Instrument(
    "loopin_send_to_queryable_seconds",
    "gauge",
    "From the client's sending to the end of the insert, quantiles of the latest 100,000 events.",
    ("quantile",),
)
REPAIRED = Instrument(
    "loopin_repaired_windows",
    "counter",
    "Windows recomputed from the stored events by this process, because late events belong to them.",
)
REPAIRS_PENDING = Instrument(
    "loopin_repairs_pending",
    "gauge",
    f"Windows that waited to be recomputed at the last look, at most {MAX_PENDING:,}; absent in a process "
    "that leaves repairs to another.",
)
REPAIRS_FAILING = Instrument(
    "loopin_repairs_failing",
    "gauge",
    "1 while windows cannot be recomputed, the log says why; else 0.",
)

SINK_METRICS = (
    *(READ, ROWS, UNREADABLE, *STORE_METRICS, FRESHNESS, NEWEST_EVENT, SEND_TO_QUERYABLE),
    *(REPAIRED, REPAIRS_PENDING, REPAIRS_FAILING),
)


class SinkCollector:
    """The sinks of one process, read when Prometheus asks.

    Args:
        sink: of events.
        others: the sinks of other topics.
        repairer: of windows that late events belong to.
        watch: of ``sink``, as the consumer ``events``, and of the enrichment before it.
        upstream: the name of the enrichment as a consumer.
    """

    def __init__(
        self,
        sink: Sink,
        others: Sequence[LatestSink[Any, Any]],
        repairer: Repairer,
        watch: LagWatch,
        upstream: str,
    ) -> None:
        self._sink = sink
        self._others = others
        self._repairer = repairer
        self._watch = watch
        self._upstream = upstream

    def collect(self) -> Iterator[Metric]:
        """``SINK_METRICS`` without those of the store."""
        sink = self._sink
        read, rows, unreadable = READ.counter(), ROWS.counter(), UNREADABLE.counter()
        read.add_metric([EVENTS], sink.read_records)
        rows.add_metric([EVENTS], sink.writer.stored_rows)
        unreadable.add_metric([EVENTS], sink.writer.unreadable)
        for other in self._others:
            read.add_metric([other.table], other.read_records)
            rows.add_metric([other.table], other.stored_rows)
            unreadable.add_metric([other.table], other.unreadable)
        yield from (read, rows, unreadable)
        freshness = FRESHNESS.gauge()
        seconds = freshness_s(self._watch, self._upstream)
        if seconds is not None:
            freshness.add_metric([], seconds)
        yield freshness
        newest = NEWEST_EVENT.gauge()
        if sink.writer.newest_received_ms is not None:
            newest.add_metric([], sink.writer.newest_received_ms / 1000)
        yield newest
        latency = SEND_TO_QUERYABLE.gauge()
        found = sink.writer.latency.percentiles([100 * quantile for quantile in QUANTILES])
        for quantile, milliseconds in zip(QUANTILES, found, strict=False):  # none before the first event
            latency.add_metric([str(quantile)], milliseconds / 1000)
        yield latency
        yield from self._of_repairs()

    def _of_repairs(self) -> Iterator[Metric]:
        repaired = REPAIRED.counter()
        repaired.add_metric([], self._repairer.repaired)
        yield repaired
        pending = REPAIRS_PENDING.gauge()
        if self._repairer.pending is not None:
            pending.add_metric([], self._repairer.pending)
        yield pending
        failing = REPAIRS_FAILING.gauge()
        failing.add_metric([], float(self._repairer.failing is not None))
        yield failing


def freshness_s(watch: LagWatch, upstream: str) -> float | None:
    """Age of the oldest received event that is neither queryable nor left out; None before the first look."""
    lags = [watch.lag(consumer) for consumer in (upstream, EVENTS)]
    known = [lag.received_s for lag in lags if lag is not None]
    return max(known) if len(known) == len(lags) else None


class _Received(msgspec.Struct):
    received_at: int


_decode = decoder(_Received).decode


def received_ms(value: bytes) -> int | None:
    """When an enriched event was received (epoch ms); None for a record that is none."""
    try:
        return _decode(value).received_at
    except (ValueError, RecursionError):
        return None
