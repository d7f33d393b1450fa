"""Values that were kept while their events were there, in place of what is left of these."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime

from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_history.coverage import Coverage, coverage
from loopin_sinks.metric_history.recalculate import whole_periods
from loopin_sinks.metric_history.stored import Kept, kept_values
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store


@dataclass(frozen=True, slots=True)
class History:
    """What is kept of a project, whose events are all there for the time that is ``covered``.

    ``keeps`` says whether it is of a scope whose values are kept at all.
    """

    store: Store
    covered: Coverage | None
    keeps: bool

    @property
    def before(self) -> datetime | None:
        """From when on the events tell the values; None for never."""
        return None if self.covered is None else self.covered.start

    async def of(self, metric: Metric, grain: Grain, within: Periods, scope: Scope) -> Filled:
        """What is kept of the periods whose events are not all there. Raises StoreError."""
        spans = list(zip(within.edges, within.edges[1:], strict=False))
        gone = {number for number, span in enumerate(spans) if self._is_gone(*span)}
        asked = gone and self.keeps
        whole = whole_periods(grain, within.start, within.end, scope.zone) if asked else None
        if whole is None:
            return Filled(within, gone, {})
        end = spans[max(gone)][1]
        found = await kept_values(self.store, scope, [metric], grain, whole.start, end)
        known = {start: value for (_, start), value in found.items()}
        ends = dict(zip(whole.edges, whole.edges[1:], strict=False))
        # A period that was asked for in part only is not the one whose value is kept.
        kept = {
            number: known[epoch_ms(spans[number][0])]
            for number in gone
            if epoch_ms(spans[number][0]) in known and ends.get(spans[number][0]) == spans[number][1]
        }
        return Filled(within, gone, kept)

    def _is_gone(self, start: datetime, end: datetime) -> bool:
        """Whether not all of a period's events are there, as far as that can be told."""
        covered = self.covered
        return covered is None or end <= covered.start or (covered.expired and start < covered.start)


@dataclass(frozen=True, slots=True)
class Filled:
    """Of some periods, by their position: whose events are gone, and what is kept of these."""

    within: Periods
    gone: Set[int]
    kept: Mapping[int, Kept]

    def values(self, computed: Values) -> Values:
        """The values, with what is kept in place of what was computed."""
        found = {key: value for key, value in computed.items() if key[0] not in self.kept}
        return found | {
            (number, ""): kept.value for number, kept in self.kept.items() if kept.value is not None
        }

    def total(self, definition: d.Definition, values: Values, computed: float | None) -> float | None:
        """The value over all periods, whose own values are given; None where those do not tell it."""
        if computed is not None or not self.kept or isinstance(definition, _BY_THE_END):
            return computed
        if not isinstance(definition, _ADDED_UP) or self.gone - self.kept.keys():
            return None
        return sum(values.get((number, ""), 0.0) for number in range(len(self.within)))


_BY_THE_END = (d.TrailingUsers, d.Stickiness, d.UsersSoFar, d.LatestMean, d.MonthGrowth, d.Lapsed)
"""What depends on the time before the end of all periods only."""

_ADDED_UP = (d.Count, d.Sum, d.Revenue, d.Sessions)
"""What is the sum of its periods."""


async def history(store: Store, scope: Scope, *, own_days: bool) -> History:
    """What is kept of a project: of all its events, in its ``own_days``; of other scopes nothing is.

    Raises:
        StoreError: the store did not answer.
    """
    filtered = scope.where or scope.only or scope.users or scope.bots or scope.by is not None
    return History(store, await coverage(store, scope), own_days and not filtered)


def calculated_at(filled: Sequence[Filled]) -> datetime | None:
    """When the oldest of the values was calculated; None without any."""
    return min((kept.calculated_at for each in filled for kept in each.kept.values()), default=None)
