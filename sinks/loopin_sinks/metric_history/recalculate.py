"""Values of closed periods, computed from the events there are, and how they differ from those kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import isclose
from typing import Final

from loopin_schemas.metrics import Grain, Metric
from loopin_sinks.metric_history.stored import Kept, NewValue, keep, kept_name, kept_values
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
    store: Store, calculator: Calculator, metric: Metric, grain: Grain, within: Periods
) -> list[Change]:
    """Compute the values of periods that are over, keep those that are new or others, and tell these.

    Raises:
        StoreError: nothing was kept.
    """
    scope = calculator.scope
    before = await kept_values(store, scope.project, metric, grain, within.start, within.end)
    values = await calculator.values(metric.definition, within)
    found = [
        _change(metric, grain, (start, end), before.get(epoch_ms(start)), values.get((number, "")))
        for number, (start, end) in enumerate(zip(within.edges, within.edges[1:], strict=False))
    ]
    changes = [change for change in found if change is not None]
    await keep(store, scope.project, _new(metric, changes), scope.now)
    return changes


def _change(
    metric: Metric, grain: Grain, period: tuple[datetime, datetime], before: Kept | None, after: float | None
) -> Change | None:
    after = None if after is None else float(after)
    if before is not None and _same(before.value, after):
        return None
    was = None if before is None else before.value
    return Change(metric.name, grain, *period, known=before is not None, before=was, after=after)


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=ACCURACY, abs_tol=1e-12)


def _new(metric: Metric, changes: Sequence[Change]) -> list[NewValue]:
    name = kept_name(metric)
    return [NewValue(name, change.grain, change.start, change.after) for change in changes]
