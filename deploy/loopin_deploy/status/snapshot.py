"""What one role says at one moment."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from loopin_deploy.status.measures import Measure, Samples, StepCost, read_steps
from loopin_sinks import metered_store
from loopin_sinks import metrics as sink_metrics
from loopin_streams import metrics as stream_metrics
from loopin_streams.kafka import meter

API: Final = "api"
"""What the API takes in is shown as a consumer of this name."""


UNKNOWN: Final = "?"
"""The role of a process that has not said yet which it is."""


class ConsumerStatus(msgspec.Struct, omit_defaults=True):
    """What one consumer of a role has done, and how far it is behind; None for what it does not say.

    Attributes:
        read: records that came in, since the partitions' first record or, of a sink, since its start.
        passed: events that came through, or rows that were stored.
        dropped, dead_lettered, late: numbers by reason, or by window.
        rate: records read in a second, since the snapshot before.
        lag_events, lag_s: records that wait, and the age of the oldest.
        watermark_delay_s: seconds that the watermark is behind the clock.
        held: entries of its state by kind.
        batch_events, batch_s: records a transaction, and seconds from gathering them to the commit.
        insert_rows, insert_s: rows an insert, and seconds that one takes, failed ones included.
    """

    consumer: str
    read: int | None = None
    passed: int | None = None
    dropped: dict[str, int] = {}
    dead_lettered: dict[str, int] = {}
    late: dict[str, int] = {}
    rate: float | None = None
    lag_events: int | None = None
    lag_s: float | None = None
    watermark_delay_s: float | None = None
    held: dict[str, int] = {}
    batch_events: Measure | None = None
    batch_s: Measure | None = None
    insert_rows: Measure | None = None
    insert_s: Measure | None = None

    def since(self, before: ConsumerStatus, seconds: float) -> None:
        """Fill in what is told of the time since ``before``, so many seconds ago."""
        self.rate = per_second(self.read, before.read, seconds)
        for now, then in zip(self._measures(), before._measures(), strict=True):
            if now is not None and then is not None:
                now.since(then)

    def _measures(self) -> tuple[Measure | None, ...]:
        return self.batch_events, self.batch_s, self.insert_rows, self.insert_s


class RoleStatus(msgspec.Struct):
    """One process.

    Attributes:
        answers: false for one that is gone.
        freshness_s: age of the oldest received event that is neither queryable nor left out, 0 without one.
        newest_event_at: when the newest event that it has stored was received, seconds since the epoch.
        repairs_pending: windows that wait to be recomputed because of late events.
        repairs_failing: whether they cannot be.
        steps: what the enrichment's steps cost, in their order.
        cpu_s, cpu: processor time since its start, and in cores since the snapshot before.
    """

    role: str
    url: str
    answers: bool
    ready: bool
    reason: str | None = None
    version: str | None = None
    consumers: list[ConsumerStatus] = []
    freshness_s: float | None = None
    newest_event_at: float | None = None
    repairs_pending: int | None = None
    repairs_failing: bool = False
    steps: dict[str, StepCost] = {}
    memory_bytes: int | None = None
    cpu_s: float | None = None
    cpu: float | None = None


class Snapshot(msgspec.Struct):
    """All roles; ``at`` is seconds since the epoch."""

    at: float
    roles: list[RoleStatus]


def read_exposition(text: str, status: RoleStatus) -> None:
    """Fill in what the role's metrics say.

    Raises:
        ValueError: this is no exposition.
    """
    samples: dict[str, list[Sample]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            samples.setdefault(sample.name, []).append(sample)
    for sample in samples.get(stream_metrics.ROLE.name, []):
        status.role, status.version = sample.labels["role"], sample.labels["version"]
    status.freshness_s = _one(samples, sink_metrics.FRESHNESS.name)
    status.newest_event_at = _one(samples, sink_metrics.NEWEST_EVENT.name)
    status.repairs_pending = _whole(samples, sink_metrics.REPAIRS_PENDING.name)
    status.repairs_failing = bool(_one(samples, sink_metrics.REPAIRS_FAILING.name))
    status.steps = read_steps(samples)
    status.cpu_s = _one(samples, "process_cpu_seconds_total")
    memory = _one(samples, "process_resident_memory_bytes")
    status.memory_bytes = None if memory is None else int(memory)
    status.consumers = list(_consumers(samples))


def compared(now: Snapshot, before: Snapshot) -> Snapshot:
    """``now`` with rates, means and costs since ``before``.

    What was not there before has no rate, and the means and costs of all that it has done.
    """
    seconds = now.at - before.at
    earlier = {role.url: role for role in before.roles}
    for role in now.roles:
        known = earlier.get(role.url)
        if known is None or seconds <= 0:
            continue
        # One that does not answer any more does not say which it is.
        role.role = known.role if role.role == UNKNOWN else role.role
        role.cpu = per_second(role.cpu_s, known.cpu_s, seconds)
        consumers = {one.consumer: one for one in known.consumers}
        for one in role.consumers:
            if one.consumer in consumers:
                one.since(consumers[one.consumer], seconds)
        for name, step in role.steps.items():
            if name in known.steps:
                step.since(known.steps[name])
    return now


def per_second(now: float | None, before: float | None, seconds: float) -> float | None:
    """How fast a counter rose in so many seconds; None where it is not known."""
    # A process that was started again, or lost a partition, has counted less.
    return None if now is None or before is None or now < before else (now - before) / seconds


def _one(samples: Samples, name: str, **labels: str) -> float | None:
    """The sum of the samples with these labels; None where there are none."""
    found = [sample.value for sample in samples.get(name, []) if labels.items() <= sample.labels.items()]
    return sum(found) if found else None


def _whole(samples: Samples, name: str, **labels: str) -> int | None:
    found = _one(samples, name, **labels)
    return None if found is None else int(found)


def _by(samples: Samples, name: str, label: str, **labels: str) -> dict[str, int]:
    sums: dict[str, int] = {}
    for sample in samples.get(name, []):
        if labels.items() <= sample.labels.items():
            key = sample.labels[label]
            sums[key] = sums.get(key, 0) + int(sample.value)
    return sums


def _consumers(samples: Samples) -> Iterable[ConsumerStatus]:
    of_stream = _names(samples, f"{stream_metrics.OPEN.name}", "consumer")
    of_sink = _names(samples, f"{sink_metrics.READ.name}_total", "table")
    yield from (_stream_consumer(samples, name) for name in of_stream)
    yield from (_sink_consumer(samples, name) for name in of_sink)
    accepted = _whole(samples, "loopin_api_events_accepted_total")
    if accepted is not None:
        lost = _whole(samples, "loopin_api_events_unacknowledged_total") or 0
        yield ConsumerStatus(API, read=accepted + lost, passed=accepted)


def _names(samples: Samples, name: str, label: str) -> list[str]:
    return list(dict.fromkeys(sample.labels[label] for sample in samples.get(name, [])))


def _stream_consumer(samples: Samples, name: str) -> ConsumerStatus:
    m = stream_metrics
    return ConsumerStatus(
        name,
        read=_whole(samples, f"{m.READ.name}_total", consumer=name) or 0,
        passed=_whole(samples, f"{m.PASSED.name}_total", consumer=name) or 0,
        dropped=_by(samples, f"{m.DROPPED.name}_total", "reason", consumer=name),
        dead_lettered=_by(samples, f"{m.DEAD_LETTERED.name}_total", "reason", consumer=name),
        late=_by(samples, f"{m.LATE.name}_total", "window", consumer=name),
        lag_events=_whole(samples, m.LAG_EVENTS.name, consumer=name),
        lag_s=_one(samples, m.LAG_SECONDS.name, consumer=name),
        watermark_delay_s=_one(samples, m.WATERMARK_DELAY.name, consumer=name),
        held=_by(samples, m.HELD.name, "kind", consumer=name),
        batch_events=Measure.read(samples, meter.BATCH_EVENTS.name, consumer=name),
        batch_s=Measure.read(samples, meter.BATCH_SECONDS.name, consumer=name),
    )


def _sink_consumer(samples: Samples, name: str) -> ConsumerStatus:
    unreadable = _whole(samples, f"{sink_metrics.UNREADABLE.name}_total", table=name)
    left_out = {"unreadable": unreadable} if unreadable else {}
    # Only events have dead letters; of a window the next version says all.
    letters = name == sink_metrics.EVENTS
    return ConsumerStatus(
        name,
        read=_whole(samples, f"{sink_metrics.READ.name}_total", table=name),
        passed=_whole(samples, f"{sink_metrics.ROWS.name}_total", table=name),
        dropped={} if letters else left_out,
        dead_lettered=left_out if letters else {},
        lag_events=_whole(samples, stream_metrics.LAG_EVENTS.name, consumer=name),
        lag_s=_one(samples, stream_metrics.LAG_SECONDS.name, consumer=name),
        insert_rows=Measure.read(samples, metered_store.INSERT_ROWS.name, table=name),
        insert_s=Measure.read(samples, metered_store.INSERT_SECONDS.name, table=name),
    )
