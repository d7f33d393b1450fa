"""Values of closed periods, computed from the events there are, and how they differ from those kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import isclose
from typing import Final

from loopin_schemas.metrics import Grain, Metric
from loopin_sinks.metric_history.stored import NewValue, keep, kept_name, kept_values, rates_used
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, epoch_ms, periods
from loopin_sinks.store import Store

GRAINS: Final[tuple[Grain, ...]] = ("hour", "day", "week", "month")

LONGEST: Final[dict[Grain, timedelta]] = {
    "hour": timedelta(hours=2),
    "day": timedelta(days=2),
    "week": timedelta(days=8),
    "month": timedelta(days=32),
}
"""More than the longest period of the grain."""

ACCURACY: Final = 1e-9
"""Two values that differ by less than this share are one: sums in another order differ in the last digits."""

MAX_VALUES: Final = 50_000
"""Most values that are compared and inserted at once."""

_MOMENT: Final = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is another one now; ``known`` says whether one was kept, which may have been null."""

    metric: str
    grain: Grain
    start: datetime
    end: datetime
    known: bool
    before: float | None
    after: float | None


def whole_periods(grain: Grain, start: datetime, end: datetime, zone: tzinfo) -> Periods | None:
    """The zone's hours, days, weeks or months that lie within [start, end]; None for none."""
    if start >= end:
        return None
    edges = periods(grain, start - _MOMENT, end + _MOMENT, zone).edges[1:-1]
    return Periods(edges) if len(edges) > 1 else None


def ending_after(grain: Grain, moment: datetime, end: datetime, zone: tzinfo) -> Periods | None:
    """The whole periods up to ``end`` that end after ``moment``; None for none."""
    within = whole_periods(grain, moment - LONGEST[grain], end, zone)
    if within is None:
        return None
    edges = within.edges
    first = next((at for at in range(len(edges) - 1) if edges[at + 1] > moment), None)
    return None if first is None else Periods(edges[first:])


async def recalculate(
    store: Store, calculator: Calculator, grain: Grain, wanted: Iterable[tuple[Metric, Periods]]
) -> list[Change]:
    """Compute metrics for periods that are over, keep the values that are new or others, and tell these.

    Raises:
        StoreError: what was kept so far stays.
    """
    changes = []
    for part in _bounded(wanted):
        found = await _differences(store, calculator, grain, part)
        await keep(store, calculator.scope, [value for value, _ in found])
        changes += [change for _, change in found if change is not None]
    return changes


async def _differences(
    store: Store, calculator: Calculator, grain: Grain, wanted: Sequence[tuple[Metric, Periods]]
) -> list[tuple[NewValue, Change | None]]:
    """What is to be kept, each with what is another value by it."""
    start, end = min(within.start for _, within in wanted), max(within.end for _, within in wanted)
    scope, metrics = calculator.scope, [metric for metric, _ in wanted]
    now = scope.now
    before = await kept_values(store, scope, metrics, grain, start, end)
    found: list[tuple[NewValue, Change | None]] = []
    for metric, within in wanted:
        rates = rates_used(scope, metric)
        name, values = kept_name(metric), await calculator.values(metric.definition, within)
        for number, (since, until) in enumerate(zip(within.edges, within.edges[1:], strict=False)):
            kept, value = before.get((name, epoch_ms(since))), values.get((number, ""))
            after = None if value is None else float(value)
            if kept is None:
                change = Change(metric.name, grain, since, until, known=False, before=None, after=after)
                found.append((NewValue(metric, grain, since, after, now), change))
                continue
            # It replaces the former one whatever the clock says: that may have been another machine's.
            new = NewValue(metric, grain, since, after, max(now, kept.calculated_at + _MOMENT))
            if not _same(kept.value, after):
                change = Change(metric.name, grain, since, until, known=True, before=kept.value, after=after)
                found.append((new, change))
            elif kept.rates != rates:
                found.append((new, None))
    return found


def _bounded(wanted: Iterable[tuple[Metric, Periods]]) -> Iterator[list[tuple[Metric, Periods]]]:
    """As many metrics at once as have ``MAX_VALUES`` values, at least one."""
    part: list[tuple[Metric, Periods]] = []
    values = 0
    for metric, within in wanted:
        if part and values + len(within) > MAX_VALUES:
            yield part
            part, values = [], 0
        part.append((metric, within))
        values += len(within)
    if part:
        yield part


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=ACCURACY, abs_tol=1e-12)
