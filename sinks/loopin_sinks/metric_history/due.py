"""For which periods a value is to be calculated: what nobody kept, and what may be another one now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics import definition as d
from loopin_sinks.metric_history.coverage import Coverage, covered_from, is_open, lookback_days, ripe_after
from loopin_sinks.metric_history.late import Late
from loopin_sinks.metric_history.recalculate import ending_after
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms, from_epoch_ms

CLOSED_AFTER: Final = timedelta(minutes=5)
"""How long after its end a period is calculated: events are on their way for a while."""

SETTLING: Final = timedelta(days=2)
"""How long after its end, or after it is known at all, a value is calculated again whatever there is."""

AGAIN: Final = timedelta(days=35)
"""How long it is, where all events that it depends on are still there: merges of persons come late, too."""

NEVER: Final = from_epoch_ms(0)

ROLLED_UP: Final = (d.TrailingUsers, d.Stickiness, d.Retention, d.Lapsed, d.UsersSoFar)
"""What rollups tell, which outlive the events."""

_DAY: Final = timedelta(days=1)
_MS: Final = timedelta(milliseconds=1)

Positions = Mapping[int, bool]
"""Of periods: whether the value is kept anew though it is the same, to say that it has been looked at."""


@dataclass(frozen=True, slots=True)
class Dues:
    """What is due of a project now.

    ``scope`` knows what is rolled up; ``late`` is of all the time that values depend on; ``blind`` says that
    the values of late are due whether or not anything came.
    """

    scope: Scope
    covered: Coverage
    late: Late
    blind: bool

    def periods(self, grain: Grain) -> Periods | None:
        """All that are over and of which a value may be kept; None for none."""
        scope = self.scope
        since = max(self.covered.start, scope.now - timedelta(days=scope.retention.of(grain)))
        return ending_after(grain, since, self._until, scope.zone)

    @property
    def _until(self) -> datetime:
        return self.scope.now - CLOSED_AFTER

    def of(self, metric: Metric, within: Periods, kept: Mapping[int, int]) -> Positions:
        """Positions of those that are due; ``kept`` has when values were calculated by start, epoch ms."""
        of, covered, until = metric.definition, self.covered, self._until
        fill_from, again = self._fill_from(of), self._again(of)
        lookback, ripe = _lookback_ms(of), ripe_after(of)
        newest = until - SETTLING
        found: dict[int, bool] = {}
        for number, (start, end) in enumerate(zip(within.edges, within.edges[1:], strict=False)):
            if covered.expired and start < covered.start:
                continue
            start_ms, at = epoch_ms(start), kept.get(epoch_ms(start))
            if at is None:
                if start >= fill_from or end > newest:
                    found[number] = False
                continue
            ripe_ms = epoch_ms(end + ripe)
            if at < ripe_ms and end + ripe <= until:
                found[number] = True
            elif again(start, end):
                since = None if lookback is None else start_ms - lookback
                # What users do later counts once it is known: until then, it is another value each hour.
                if self.late.after(at, since, ripe_ms if at >= ripe_ms else epoch_ms(end)):
                    found[number] = True
                elif self.blind:
                    found[number] = False
        return found

    def _fill_from(self, of: d.Definition) -> datetime:
        """From here on a value that nobody kept comes out as it would have then, or nearly."""
        covered, scope, days = self.covered, self.scope, lookback_days(of)
        if not covered.expired:
            return NEVER
        start = covered.start
        if isinstance(of, ROLLED_UP):
            day = scope.day_of(start)
            while day - 1 in scope.rolled.days:
                day -= 1
            start = scope.midnight(day)
        if days is not None:
            return max(covered.start, scope.midnight(scope.day_of(start) + days))
        if start < covered.start:
            return covered.start
        # It looks back on all that is there, which was more then: on no less than half of it.
        return max(covered.start + (scope.now - covered.start) / 2, self._until - AGAIN)

    def _again(self, of: d.Definition) -> Callable[[datetime, datetime], bool]:
        """Whether a period, from its start to its end, may be calculated again."""
        settled, oldest = self._until - SETTLING - ripe_after(of), self._until - AGAIN
        whole = covered_from(self.covered, of, self.scope) if self.covered.expired else NEVER
        return lambda start, end: end > settled or (whole is not None and start >= whole and end > oldest)


def depends_since(of: d.Definition, start: datetime) -> datetime | None:
    """From when on events count for a period that begins at ``start``; None for all that ever were."""
    days = lookback_days(of)
    return None if days is None else start - timedelta(days=days)


def is_current(of: d.Definition, late: Late, start: datetime, end: datetime, calculated_at: datetime) -> bool:
    """Whether what was calculated then of a period is what its events say now."""
    if is_open(of) or calculated_at < end + ripe_after(of):
        return False
    since = depends_since(of, start)
    until = epoch_ms(end + ripe_after(of))
    return not late.after(epoch_ms(calculated_at), None if since is None else epoch_ms(since), until)


def _lookback_ms(of: d.Definition) -> int | None:
    days = lookback_days(of)
    return None if days is None else days * (_DAY // _MS)
