"""Values that are kept: of periods whose events are gone, and of those that are over and settled."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_history.coverage import Coverage, coverage
from loopin_sinks.metric_history.due import CLOSED_AFTER, NEVER, is_current
from loopin_sinks.metric_history.late import Late, late, looked
from loopin_sinks.metric_history.recalculate import whole_periods
from loopin_sinks.metric_history.stored import Kept, kept_name, kept_values, terms_of
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store


@dataclass(frozen=True)
class History:
    """What is kept of a project, whose events are all there for the time that is ``covered``.

    ``keeps`` says whether it is of a scope whose values are kept at all; ``late`` is what came since all that
    had come was in them, None where they are not known to hold that. ``metrics`` are those of one answer:
    what is kept of them is asked for at once.
    """

    store: Store
    scope: Scope
    covered: Coverage | None
    keeps: bool
    late: Late | None
    metrics: Sequence[Metric]
    _asked: dict[Hashable, asyncio.Future[Mapping[tuple[str, int], Kept]]] = field(default_factory=dict)

    async def of(self, metric: Metric, grain: Grain, within: Periods) -> Filled:
        """What is kept of periods: of those whose events are not all there, and of those that are settled.

        Raises:
            StoreError: the store did not answer.
        """
        spans = list(zip(within.edges, within.edges[1:], strict=False))
        whole = whole_periods(grain, within.start, within.end, self.scope.zone) if self.keeps else None
        if whole is None or grain not in metric.grains:
            return Filled(within, {})
        known = await self._known(grain, whole.start, whole.end)
        name, terms = kept_name(metric), terms_of(self.scope, metric)
        ends = dict(zip(whole.edges, whole.edges[1:], strict=False))
        kept = {}
        for number, (start, end) in enumerate(spans):
            value = known.get((name, epoch_ms(start)))
            # A period that was asked for in part only is not the one whose value is kept.
            if value is None or ends.get(start) != end:
                continue
            now_so = value.terms == terms and self._holds(metric.definition, start, end, value)
            if now_so or self._is_gone(start, end):
                kept[number] = value
        return Filled(within, kept)

    async def _known(self, grain: Grain, start: datetime, end: datetime) -> Mapping[tuple[str, int], Kept]:
        key = (grain, start, end)
        if key not in self._asked:
            asked = kept_values(self.store, self.scope, self.metrics, grain, start, end)
            self._asked[key] = asyncio.ensure_future(asked)
        return await self._asked[key]

    def _holds(self, of: d.Definition, start: datetime, end: datetime, value: Kept) -> bool:
        """Whether a value is what its events say."""
        if self.late is None or end + CLOSED_AFTER > self.scope.now:
            return False
        return is_current(of, self.late, start, end, value.calculated_at)

    def _is_gone(self, start: datetime, end: datetime) -> bool:
        """Whether not all of a period's events are there, as far as that can be told."""
        covered = self.covered
        return covered is None or end <= covered.start or (covered.expired and start < covered.start)


@dataclass(frozen=True, slots=True)
class Filled:
    """Of some periods, by their position: what is kept of them."""

    within: Periods
    kept: Mapping[int, Kept]

    async def values(self, definition: d.Definition, calculator: Calculator) -> Values:
        """The values that are kept, and the others from the events; null where nobody can tell any more.

        Raises:
            StoreError: the store did not answer.
        """
        found = self.known()
        asked = [number for number in range(len(self.within)) if number not in self.kept]
        if not asked:
            return found
        part = Periods(self.within.edges[asked[0] : asked[-1] + 2])
        told = await computed(calculator, definition, part)
        return found | {
            (number + asked[0], of): value
            for (number, of), value in told.items()
            if number + asked[0] not in self.kept
        }

    def known(self) -> Values:
        """The values that are kept."""
        return {(number, ""): kept.value for number, kept in self.kept.items() if kept.value is not None}

    async def total(
        self, definition: d.Definition, values: Values, whole: Periods, calculator: Calculator
    ) -> float | None:
        """The value over a whole time, of whose periods the values are given; None where nobody knows it.

        Raises:
            StoreError: the store did not answer.
        """
        if whole.start > calculator.scope.now:
            return None
        if (whole.start, whole.end) == (self.within.start, self.within.end):
            if is_added_up(definition) and self._all_told(values, calculator.scope.now):
                return sum(values.values())
            if isinstance(definition, _BY_THE_END) and len(self.within) - 1 in self.kept:
                return values.get((len(self.within) - 1, ""))
        found = (await calculator.values(definition, whole)).get((0, ""))
        last = Periods(self.within.edges[-2:])
        if found is None and whole.end == last.end and isinstance(definition, _BY_THE_END):
            # Of the whole time not all events are there, and of its end they may be.
            found = (await computed(calculator, definition, last)).get((0, ""))
        return found

    def _all_told(self, values: Values, now: datetime) -> bool:
        return all(
            (number, "") in values for number, start in enumerate(self.within.edges[:-1]) if start <= now
        )


async def computed(calculator: Calculator, of: d.Definition, within: Periods) -> Values:
    """What the events tell; nothing of periods that are still to come. Raises StoreError."""
    found = await calculator.values(of, within)
    return {key: value for key, value in found.items() if within.edges[key[0]] <= calculator.scope.now}


_BY_THE_END = (d.TrailingUsers, d.Stickiness, d.UsersSoFar, d.LatestMean, d.MonthGrowth, d.Lapsed)
"""What depends on the time before the end of all periods only."""

_ADDED_UP = (d.Count, d.Sum, d.Revenue, d.Sessions)
"""What is the sum of its periods."""


def is_added_up(of: d.Definition) -> bool:
    """Whether a value is the sum of those of its parts."""
    return isinstance(of, _ADDED_UP)


async def history(store: Store, scope: Scope, metrics: Sequence[Metric], *, own_days: bool) -> History:
    """What is kept of a project: of all its events in its ``own_days``, in its money; else nothing is.

    Raises:
        StoreError: the store did not answer.
    """
    filtered = scope.where or scope.only or scope.users or scope.bots or scope.by is not None
    keeps = own_days and not filtered
    found = await _late(store, scope) if keeps else None
    covered = await coverage(store, scope)
    return History(store, scope, covered, keeps, found, tuple(metrics))


async def _late(store: Store, scope: Scope) -> Late | None:
    since = await looked(store, scope)
    if since == NEVER:
        return None
    return await late(store, scope.project, since, NEVER, scope.now)


def calculated_at(filled: Sequence[Filled]) -> datetime | None:
    """When the oldest of the values was calculated; None without any."""
    return min((kept.calculated_at for each in filled for kept in each.kept.values()), default=None)


def kept_before(filled: Sequence[Filled]) -> datetime | None:
    """The end of the last period whose value is kept; None without any."""
    return max((each.within.edges[number + 1] for each in filled for number in each.kept), default=None)
