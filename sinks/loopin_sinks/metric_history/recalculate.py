"""Values of closed periods, computed from the events there are, and how they differ from those kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import isclose
from typing import Final

from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics.definition import HighScores
from loopin_sinks.metric_history.changes import Change, note_changes
from loopin_sinks.metric_history.late import OVERLAP
from loopin_sinks.metric_history.stored import Kept, NewValue, keep, kept_name, kept_values, terms_of
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms, periods
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store, StoreError
from loopin_sinks.store.errors import STORE_UNREACHABLE

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
_ANOTHER_CLOCK: Final = timedelta(hours=2)
"""No run takes so long: what was calculated so much later was calculated by a clock that is ahead."""


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric's periods of one grain to calculate: those at the positions ``due`` of ``within``.

    Where a position's value is True it is kept anew though it is the same.
    """

    metric: Metric
    within: Periods
    due: Mapping[int, bool]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many values were calculated, what changed, and what the store refused, by metric."""

    calculated: int
    changes: Sequence[Change]
    refused: Mapping[str, StoreError]


async def recalculate(
    store: Store, calculator: Calculator, grain: Grain, wanted: Iterable[Wanted], run: str, *, all_told: bool
) -> Outcome:
    """Compute metrics for periods that are over, and keep the values that are new or others.

    Before that, the journal is told which values are replaced, and with ``all_told`` which are new, by this
    ``run`` of a task. A metric that the store refuses to compute keeps no other from its own.

    Raises:
        StoreError: it does not answer, or keeps nothing; what was kept so far stays.
    """
    calculated, changes = 0, list[Change]()
    refused: dict[str, StoreError] = {}
    for part in _bounded(wanted):
        found, failed = await _differences(store, calculator, grain, part)
        told = [change for _, change in found if change is not None]
        journaled = [change for change in told if change.known or all_told]
        await note_changes(store, calculator.scope.project, run, journaled, calculator.scope.now)
        await keep(store, calculator.scope, [value for value, _ in found])
        calculated += sum(len(each.due) for each in part if each.metric.name not in failed)
        changes += told
        refused |= failed
    return Outcome(calculated, changes, refused)


Difference = tuple[NewValue, Change | None]


async def _differences(
    store: Store, calculator: Calculator, grain: Grain, wanted: Sequence[Wanted]
) -> tuple[list[Difference], dict[str, StoreError]]:
    start, end = min(each.within.start for each in wanted), max(each.within.end for each in wanted)
    before = await kept_values(store, calculator.scope, [each.metric for each in wanted], grain, start, end)
    found: list[Difference] = []
    refused = {}
    for each in wanted:
        try:
            values = await calculator.values(each.metric.definition, each.within)
        except StoreError as error:
            if error.code == STORE_UNREACHABLE:
                raise
            refused[each.metric.name] = error
        else:
            found += _compared(each, grain, values, before, calculator.scope)
    return found, refused


def _compared(
    of: Wanted, grain: Grain, values: Values, before: Mapping[tuple[str, int], Kept], scope: Scope
) -> Iterator[Difference]:
    name, terms, now = kept_name(of.metric), terms_of(scope, of.metric), scope.now
    for number, anew in of.due.items():
        since, until = of.within.edges[number : number + 2]
        kept, value = before.get((name, epoch_ms(since))), values.get((number, ""))
        after = None if value is None else float(value)
        change = None
        if after is None and kept is not None and isinstance(of.metric.definition, HighScores):
            continue  # What was predicted of users then, nobody can tell any more.
        if kept is None or not _same(kept.value, after):
            known, former = kept is not None, None if kept is None else kept.value
            change = Change(of.metric.name, grain, since, until, known, former, after)
        elif not anew and kept.terms == terms:
            continue
        if kept is not None and now + OVERLAP < kept.calculated_at < now + _ANOTHER_CLOCK:
            continue  # Another run, which has begun since, has seen more.
        # It replaces the former one whatever the clock says: that may have been another machine's.
        at = now if kept is None else max(now, kept.calculated_at + _MOMENT)
        yield NewValue(of.metric, grain, since, after, at), change


def _bounded(wanted: Iterable[Wanted]) -> Iterator[list[Wanted]]:
    """As many metrics at once as have ``MAX_VALUES`` values, at least one."""
    part: list[Wanted] = []
    values = 0
    for each in wanted:
        if part and values + len(each.within) > MAX_VALUES:
            yield part
            part, values = [], 0
        part.append(each)
        values += len(each.within)
    if part:
        yield part


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=ACCURACY, abs_tol=1e-12)
