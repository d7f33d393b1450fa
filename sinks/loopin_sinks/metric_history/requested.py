"""Values that somebody asks to be computed anew: which those are, and which cannot be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from loopin_schemas.metrics import Grain, Metric
from loopin_sinks.metric_history.coverage import Coverage, covered_from
from loopin_sinks.metric_history.recalculate import GRAINS, Wanted, whole_periods
from loopin_sinks.metric_values.scope import Periods, Scope


@dataclass(frozen=True, slots=True)
class Skipped:
    """A metric of which not all can be computed; ``start`` is from when on it can, None for not at all."""

    name: str
    start: datetime | None


@dataclass(frozen=True, slots=True)
class Requested:
    """What is to be computed, of which there are so many ``values``, and what stays as it is."""

    parts: Sequence[tuple[Grain, Metric, Periods]]
    skipped: Sequence[Skipped]

    @property
    def values(self) -> int:
        """How many values that is: periods times metrics."""
        return sum(len(within) for _, _, within in self.parts)

    def blocks(self, length: int) -> Iterator[tuple[Grain, list[Wanted]]]:
        """In what is computed at once: of one grain, and of each metric at most so many periods."""
        for grain in GRAINS:
            of = [(metric, within) for each, metric, within in self.parts if each == grain]
            for start in range(0, max((len(within) for _, within in of), default=0), length):
                block = [(metric, within.edges[start : start + length + 1]) for metric, within in of]
                yield (
                    grain,
                    [
                        Wanted(metric, Periods(edges), dict.fromkeys(range(len(edges) - 1), True))
                        for metric, edges in block
                        if len(edges) > 1
                    ],
                )


def requested(
    covered: Coverage, scope: Scope, metrics: Sequence[Metric], start: datetime, end: datetime
) -> Requested:
    """The whole periods of a time that are over and whose events are all there."""
    starts = {metric.name: _start(covered, metric, scope, start) for metric in metrics}
    found = [
        (grain, metric, within)
        for metric in metrics
        for grain in metric.grains
        if (within := _within(grain, starts[metric.name], end, scope)) is not None
    ]
    skipped = [Skipped(name, since) for name, since in starts.items() if since is None or since > start]
    return Requested(found, skipped if covered.expired else ())


def _start(covered: Coverage, metric: Metric, scope: Scope, start: datetime) -> datetime | None:
    since = covered_from(covered, metric.definition, scope)
    return None if since is None else max(since, start)


def _within(grain: Grain, start: datetime | None, end: datetime, scope: Scope) -> Periods | None:
    if start is None:
        return None
    since = max(start, scope.now - timedelta(days=scope.retention.of(grain)))
    return whole_periods(grain, since, min(end, scope.now), scope.zone)
