"""The numbers that rules judge, added up from the windows in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple

from loopin_schemas.alert import AlertWindow
from loopin_schemas.profile import MILLION
from loopin_streams.alerts.judgement import Counted, Judgement, Verdict
from loopin_streams.alerts.plans import Plan
from loopin_streams.alerts.source import Source
from loopin_streams.merge.merged_windows import MergedWindow, MergedWindows
from loopin_streams.windows.grains import LATENESS_MS, Grain
from loopin_streams.windows.series import Series


class Over(NamedTuple):
    """Windows of a grain: where the last begins, epoch ms, and how many up to it."""

    grain: Grain
    last: int
    number: int = 1

    @property
    def starts(self) -> list[int]:
        """Where each begins, oldest first."""
        return [self.last - at * self.grain.size_ms for at in reversed(range(self.number))]

    @property
    def window(self) -> AlertWindow:
        """As alerts name it."""
        end = self.last + self.grain.size_ms
        return AlertWindow(grain=self.grain.name, start=self.starts[0], end=end)


class WindowNumbers:
    """Reads the windows of one merge partition."""

    def __init__(self, windows: MergedWindows) -> None:
        self._windows = windows

    def find(self, project: str, grain: Grain, start: int) -> MergedWindow | None:
        """The window that begins then, if it is in memory."""
        return self._windows.find(project, grain, start)

    def counted(
        self, plan: Plan, project: str, value: str, over: Over, after: int | None = None
    ) -> Counted[Over]:
        """The numbers of some windows together, but of none that begins before ``after``."""
        series, source = plan.source.series(value), plan.source
        number = total = whole = 0
        for start in over.starts:
            window = self._windows.find(project, over.grain, start)
            if window is None or (after is not None and start < after):
                continue
            more, summed = window.sums(series)
            number, total = number + more, total + summed
            if source.whole is not None:
                whole += window.count(source.whole)
        if source.whole is not None:
            # A cell may arrive before that of all records: then the next second knows more.
            return Counted(over, number, number / whole if whole >= number > 0 else None)
        if source.statistic == "count":
            return Counted(over, number, float(number))
        if source.statistic == "sum":
            return Counted(over, number, total / MILLION)
        return Counted(over, number, total / number / MILLION if number else None)

    def judgement(
        self, plan: Plan, project: str, value: str, of: Counted[Over], verdict: Verdict, reason: str = ""
    ) -> Judgement:
        """What was said of some windows, with the names of those that are there."""
        series, over = plan.source.series(value), of.over
        found = [start for start in over.starts if self._has(project, over.grain, start, series)]
        names = tuple("/".join((*series, over.grain.name, str(start))) for start in found)
        return Judgement(verdict, of.value, of.number, over.window, names, reason)

    def values(self, plan: Plan, project: str, starts: Collection[int]) -> set[str]:
        """The values of the rule's dimension in windows that begin then; the whole is one of ``""``."""
        found: set[str] = set()
        for start in starts:
            window = self._windows.find(project, plan.grain, start)
            if window is not None:
                found.update(_values(plan.source, window.cells))
        return found

    def _has(self, project: str, grain: Grain, start: int, series: Series) -> bool:
        window = self._windows.find(project, grain, start)
        return window is not None and series in window.cells


def newest(grain: Grain, watermark: int) -> int:
    """Start of the newest window by the time of events, which the watermark is behind."""
    return grain.start(watermark + LATENESS_MS)


def closed(grain: Grain, watermark: int) -> int:
    """Start of the newest window that the watermark has passed."""
    return grain.start(watermark) - grain.size_ms


def closed_since(grain: Grain, before: int | None, watermark: int) -> range:
    """Starts of the windows that have closed since the watermark ``before``, and are in memory."""
    last = closed(grain, watermark)
    first = last - grain.keep_ms if before is None else grain.start(before)
    # Of what is no longer in memory nobody knows what happened.
    return range(max(first, last - grain.keep_ms), last + 1, grain.size_ms)


def _values(source: Source, series: Collection[Series]) -> Iterator[str]:
    if source.value is not None:
        if source.series("") in series:
            yield ""
        return
    for metric, dimension, value in series:
        if (metric, dimension) == (source.metric, source.dimension):
            yield value
