"""Values that are kept of metrics, computed anew for a time that is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from loopin_api.envelope import Detail, iso_ms
from loopin_api.errors import invalid
from loopin_api.timespan import Timespan
from loopin_schemas.metrics import Grain, Metric
from loopin_sinks.metric_history.coverage import Coverage, coverage, covered_from
from loopin_sinks.metric_history.recalculate import GRAINS, Change, recalculate, whole_periods
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope
from loopin_sinks.store import Store

MAX_CHANGES: Final = 1_000
"""Most changes in an answer; the others are made, too, and counted."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A metric of which not all was computed; ``start`` is from when on it was, None for not at all."""

    name: str
    start: datetime | None


@dataclass(frozen=True, slots=True)
class Recalculation:
    """What was computed: how many values, which are others now, and what was left as it is."""

    calculated: int
    changes: Sequence[Change]
    skipped: Sequence[Skipped]


async def recalculated(
    store: Store, scope: Scope, metrics: Sequence[Metric], span: Timespan, *, named: bool
) -> Recalculation:
    """Compute the metrics for all whole periods of a span that are over, and keep the values.

    Where events that a value depends on are gone, it stays as it is; ``named`` says that this is refused.

    Raises:
        ApiError: 422, the events of the span, or those that named metrics depend on, are not all there.
        StoreError: the store did not answer; what was kept so far stays.
    """
    covered = await coverage(store, scope)
    if covered is None:
        return Recalculation(0, (), ())
    if covered.expired and span.start < covered.start:
        raise _beyond("from", "Events", covered.start)
    starts = {metric.name: _start(covered, metric, scope, span) for metric in metrics}
    skipped = [Skipped(name, start) for name, start in starts.items() if start is None or start > span.start]
    if covered.expired and named and skipped:
        raise _beyond("names", f"All events that {skipped[0].name} depends on", skipped[0].start)
    calculator, calculated, changes = Calculator(store, scope), 0, []
    for grain in GRAINS:
        wanted = []
        for metric in metrics:
            within = _within(metric, grain, starts[metric.name], span, scope)
            if within is not None:
                wanted.append((metric, within))
                calculated += len(within)
        changes += await recalculate(store, calculator, grain, wanted)
    return Recalculation(calculated, changes, skipped if covered.expired else ())


def _start(covered: Coverage, metric: Metric, scope: Scope, span: Timespan) -> datetime | None:
    start = covered_from(covered, metric.definition, scope)
    return None if start is None else max(start, span.start)


def _within(
    metric: Metric, grain: Grain, start: datetime | None, span: Timespan, scope: Scope
) -> Periods | None:
    if start is None or grain not in metric.grains:
        return None
    since = max(start, scope.now - timedelta(days=scope.retention.of(grain)))
    return whole_periods(grain, since, min(span.end, scope.now), span.zone)


def _beyond(field: str, what: str, start: datetime | None) -> Exception:
    if start is None:
        return invalid([Detail(field=field, reason=f"{what} are not there any more; leave it out.")])
    kept = f"{what} are there from {iso_ms(start)} on; give a from that is not before."
    return invalid([Detail(field=field, reason=kept)])
