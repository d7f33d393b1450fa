"""What batches, inserts and steps take: of what was done since a moment ago, or since the process's start."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf
from typing import Final

import msgspec
from prometheus_client.samples import Sample

from loopin_streams import metrics as stream_metrics

Samples = Mapping[str, list[Sample]]
"""An exposition's samples by their names."""

HIGH: Final = 0.99
"""The share of observations that ``p99`` is not below."""


class Measure(msgspec.Struct, omit_defaults=True):
    """One histogram: how much an insert takes, how many records a batch has.

    Attributes:
        number, total: observations, and their sum, since the process's start.
        buckets: for each finite upper bound, ascending, how many observations were not above it.
        mean, p99: of the observations since the snapshot before; where there were none, what was known
            then, at first of all since the process's start. None before the first observation. ``p99`` is
            interpolated within its bucket, as Prometheus does, and never above the last finite bound.
    """

    number: int
    total: float
    buckets: list[tuple[float, int]] = []
    mean: float | None = None
    p99: float | None = None

    @classmethod
    def read(cls, samples: Samples, name: str, **labels: str) -> Measure | None:
        """The histogram ``name`` with these labels, of all since the start; None where there is none."""
        number, total = (_sum(samples, f"{name}_{part}", labels) for part in ("count", "sum"))
        if number is None or total is None:
            return None
        up_to: dict[float, int] = {}
        for sample in samples.get(f"{name}_bucket", []):
            bound = float(sample.labels["le"])
            if labels.items() <= sample.labels.items() and not isinf(bound):
                up_to[bound] = up_to.get(bound, 0) + int(sample.value)
        found = cls(int(number), total, sorted(up_to.items()))
        found._show(found.number, found.total, found.buckets)
        return found

    def since(self, before: Measure) -> None:
        """Let ``mean`` and ``p99`` be those of what came after ``before``, if anything did."""
        number = self.number - before.number
        if number == 0:
            self.mean, self.p99 = before.mean, before.p99
        elif number > 0 and len(self.buckets) == len(before.buckets):
            both = zip(self.buckets, before.buckets, strict=True)
            buckets = [(bound, now - then) for (bound, now), (_, then) in both]
            self._show(number, self.total - before.total, buckets)
        # Of a process that was started again, all is new.

    def _show(self, number: int, total: float, buckets: list[tuple[float, int]]) -> None:
        if number > 0:
            self.mean, self.p99 = total / number, _quantile(HIGH, number, buckets)


class StepCost(msgspec.Struct, omit_defaults=True):
    """What one step of the enrichment costs.

    Attributes:
        cpu_s, events: processor time, and the events that the step was given, since the process's start.
        us_per_event: microseconds an event, since the snapshot before; where none came, what was known then,
            at first of all since the process's start. None before the first event.
    """

    cpu_s: float
    events: int
    us_per_event: float | None = None

    def since(self, before: StepCost) -> None:
        """Let the cost be that of what came after ``before``, if anything did."""
        events = self.events - before.events
        if events == 0:
            self.us_per_event = before.us_per_event
        elif events > 0:
            self.us_per_event = 1e6 * (self.cpu_s - before.cpu_s) / events


def read_steps(samples: Samples) -> dict[str, StepCost]:
    """The steps of a stream worker in their order, with their costs since its start."""
    steps = {}
    for sample in samples.get(f"{stream_metrics.STEP_SECONDS.name}_total", []):
        name = sample.labels["step"]
        events = int(_sum(samples, f"{stream_metrics.STEP_EVENTS.name}_total", {"step": name}) or 0)
        steps[name] = StepCost(sample.value, events, 1e6 * sample.value / events if events else None)
    return steps


def _sum(samples: Samples, name: str, labels: Mapping[str, str]) -> float | None:
    found = [sample.value for sample in samples.get(name, []) if labels.items() <= sample.labels.items()]
    return sum(found) if found else None


def _quantile(share: float, number: int, buckets: list[tuple[float, int]]) -> float | None:
    """The value that ``share`` of ``number`` observations are not above; None without buckets."""
    rank, lower, below = share * number, 0.0, 0
    for bound, up_to in buckets:
        if up_to >= rank and up_to > below:
            return lower + (bound - lower) * (rank - below) / (up_to - below)
        lower, below = bound, up_to
    return lower if buckets else None
