"""What a stream worker tells Prometheus, and what every role does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import version
from time import time

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric

from loopin_streams.instruments import Instrument
from loopin_streams.kafka.job import Holding
from loopin_streams.kafka.lag import LagWatch
from loopin_streams.kafka.marker import Counts
from loopin_streams.kafka.meter import Meters
from loopin_streams.kafka.partition import OpenPartition
from loopin_streams.kafka.runner import Runner
from loopin_streams.recent_share import RecentShare

PART = ("consumer", "partition")

READ = Instrument(
    "loopin_events_read", "counter", "Input records absorbed since the partition's first record.", PART
)
PASSED = Instrument("loopin_events_passed", "counter", "Of those, records that came through.", PART)
DROPPED = Instrument("loopin_events_dropped", "counter", "Records left out on purpose.", (*PART, "reason"))
DEAD_LETTERED = Instrument(
    "loopin_events_dead_lettered", "counter", "Records sent to the dead letters.", (*PART, "reason")
)
LATE = Instrument(
    "loopin_events_late",
    "counter",
    "Events that passed, but too late for a window, by the longest such window.",
    (*PART, "window"),
)
ANOMALIES = Instrument(
    "loopin_anomalies", "counter", "What was found odd about users and sessions, by kind.", (*PART, "kind")
)
WITHHELD = Instrument(
    "loopin_anomalies_withheld",
    "counter",
    "What was found odd beyond the most of a project and minute that are told, by kind.",
    (*PART, "kind"),
)
OPEN = Instrument("loopin_partitions_open", "gauge", "Input partitions held.", ("consumer",))
WATERMARK_DELAY = Instrument(
    "loopin_watermark_delay_seconds",
    "gauge",
    "How far the least watermark is behind the clock. At rest it is 60 to 120 s: the allowed lateness, and "
    "up to a minute because an idle watermark moves on by whole minutes.",
    ("consumer",),
)
HELD = Instrument(
    "loopin_state_entries",
    "gauge",
    "What is kept in memory (or spilled): profiles, seen uuids, open windows, and the series in them.",
    ("consumer", "kind"),
)
DEAD_LETTER_RATIO = Instrument(
    "loopin_dead_letter_ratio",
    "gauge",
    "Share (0-1) of the records of the last minute that went to the dead letters; absent while none came.",
    ("consumer",),
)
STEP_SECONDS = Instrument(
    "loopin_step_cpu_seconds",
    "counter",
    "Processor time of the enrichment's steps; `state` is uuids, windows, profiles and dead letters, "
    "`publish` the changed windows.",
    ("step",),
)
STEP_EVENTS = Instrument("loopin_step_events", "counter", "Records that the step was given.", ("step",))

STREAM_METRICS = (
    *(READ, PASSED, DROPPED, DEAD_LETTERED, LATE, ANOMALIES, WITHHELD, DEAD_LETTER_RATIO),
    *(OPEN, WATERMARK_DELAY, HELD, STEP_SECONDS, STEP_EVENTS),
)

LAG_EVENTS = Instrument(
    "loopin_consumer_lag_events", "gauge", "Records that wait to be absorbed.", ("consumer",)
)
LAG_SECONDS = Instrument(
    "loopin_consumer_lag_seconds",
    "gauge",
    "Age of the oldest record that waits, 0 when none does: that of the partition which is furthest behind.",
    ("consumer",),
)
STALLED = Instrument(
    "loopin_consumer_stalled_partitions",
    "gauge",
    "Partitions in which records wait and nothing has moved for LOOPIN_STALL_S.",
    ("consumer",),
)
LAG_AGE = Instrument(
    "loopin_consumer_lag_age_seconds",
    "gauge",
    "How long ago the lag was found out; it grows while the broker does not answer.",
    ("consumer",),
)

LAG_METRICS = (LAG_EVENTS, LAG_SECONDS, STALLED, LAG_AGE)

ROLE = Instrument("loopin_role_info", "gauge", "1, with the process's role and version.", ("role", "version"))

PROCESS_METRICS = (
    Instrument("process_resident_memory_bytes", "gauge", "Resident memory size in bytes."),
    Instrument("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes."),
    Instrument("process_cpu_seconds", "counter", "Total user and system CPU time spent in seconds."),
    Instrument(
        "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds."
    ),
    Instrument("process_open_fds", "gauge", "Number of open file descriptors."),
    Instrument("process_max_fds", "gauge", "Maximum number of open file descriptors."),
)
"""What Prometheus's own client tells of a process on Linux."""

StepSums = Callable[[], Mapping[str, tuple[float, int]]]
"""Seconds and events by step."""


class RunnerCollector:
    """The open partitions' markers and states, read when Prometheus asks.

    The counts of events are exact totals since each partition's first record, committed with the work. They
    move with the partition from worker to worker, hence the label ``partition``: without it a rebalance would
    look like a reset.
    """

    def __init__(self, runners: Sequence[Runner], step_sums: StepSums) -> None:
        self._runners = runners
        self._step_sums = step_sums
        self._ratios = {runner.job.name: RecentShare() for runner in runners}

    def collect(self) -> Iterator[Metric]:
        """All of ``STREAM_METRICS``."""
        partitions = {runner.job.name: runner.partitions for runner in self._runners}
        yield from _counts(partitions)
        yield self._dead_letter_ratio(partitions)
        yield from _states(partitions)
        seconds, events = STEP_SECONDS.counter(), STEP_EVENTS.counter()
        for step, (spent, given) in self._step_sums().items():
            seconds.add_metric([step], spent)
            events.add_metric([step], given)
        yield from (seconds, events)

    def _dead_letter_ratio(self, partitions: Mapping[str, Mapping[int, OpenPartition]]) -> GaugeMetricFamily:
        family = DEAD_LETTER_RATIO.gauge()
        for consumer, open_now in partitions.items():
            totals = {
                number: (sum(counts.dead_lettered.values()), counts.read)
                for number, counts in ((number, one.marker.counts) for number, one in open_now.items())
            }
            share = self._ratios[consumer].add(totals)
            if share is not None:
                family.add_metric([consumer], share)
        return family


class LagCollector:
    """What a watch has found out of its consumers."""

    def __init__(self, watch: LagWatch, consumers: Iterable[str]) -> None:
        self._watch = watch
        self._consumers = tuple(consumers)

    def collect(self) -> Iterator[Metric]:
        """All of ``LAG_METRICS``; nothing of a consumer before its first look."""
        events, seconds = LAG_EVENTS.gauge(), LAG_SECONDS.gauge()
        stalled, age = STALLED.gauge(), LAG_AGE.gauge()
        for consumer in self._consumers:
            lag = self._watch.lag(consumer)
            if lag is not None:
                events.add_metric([consumer], lag.events)
                seconds.add_metric([consumer], lag.seconds)
                stalled.add_metric([consumer], len(lag.stalled))
                age.add_metric([consumer], self._watch.silent_s(consumer))
        yield from (events, seconds, stalled, age)


def jobs_registry(
    role: str, runners: Sequence[Runner], step_sums: StepSums, watch: LagWatch, meters: Meters
) -> CollectorRegistry:
    """All that a process tells that works on jobs."""
    registry = meters.registry
    registry.register(RunnerCollector(runners, step_sums))
    registry.register(LagCollector(watch, watch.consumers))
    register_process(registry, role)
    return registry


def register_process(registry: CollectorRegistry, role: str) -> None:
    """Add what every role tells: its name and version, and memory, processor time and files in use."""
    # A time series for each counter's start of life doubles the exposition, and nobody reads them.
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types
    ProcessCollector(registry=registry)
    registry.register(_RoleCollector(role))


class _RoleCollector:
    def __init__(self, role: str) -> None:
        self._labels = [role, version("loopin-analytics")]

    def collect(self) -> Iterator[Metric]:
        family = ROLE.gauge()
        family.add_metric(self._labels, 1)
        yield family


def _counts(partitions: Mapping[str, Mapping[int, OpenPartition]]) -> Iterator[Metric]:
    read, passed = READ.counter(), PASSED.counter()
    dropped, dead_lettered, late = DROPPED.counter(), DEAD_LETTERED.counter(), LATE.counter()
    odd, withheld = ANOMALIES.counter(), WITHHELD.counter()
    for consumer, open_now in partitions.items():
        for number, partition in sorted(open_now.items()):
            counts: Counts = partition.marker.counts
            labels = [consumer, str(number)]
            read.add_metric(labels, counts.read)
            passed.add_metric(labels, counts.passed)
            for family, found in (
                (dropped, counts.dropped),
                (dead_lettered, counts.dead_lettered),
                (late, counts.late),
                (odd, counts.anomalies),
                (withheld, counts.withheld),
            ):
                for reason, count in sorted(found.items()):
                    family.add_metric([*labels, reason], count)
    yield from (read, passed, dropped, dead_lettered, late, odd, withheld)


def _states(partitions: Mapping[str, Mapping[int, OpenPartition]]) -> Iterator[Metric]:
    open_family, delay, held = OPEN.gauge(), WATERMARK_DELAY.gauge(), HELD.gauge()
    for consumer, open_now in partitions.items():
        open_family.add_metric([consumer], len(open_now))
        watermarks = [one.marker.watermark for one in open_now.values() if one.marker.watermark is not None]
        if watermarks:
            delay.add_metric([consumer], time() - min(watermarks) / 1000)
        sums: dict[str, int] = {}
        for one in open_now.values():
            if isinstance(one.absorber, Holding):
                for kind, number in one.absorber.holds().items():
                    sums[kind] = sums.get(kind, 0) + number
        for kind, number in sums.items():
            held.add_metric([consumer, kind], number)
    yield from (open_family, delay, held)
