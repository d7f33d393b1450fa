"""What the rules say of the numbers that the store has, or of the pipeline at this moment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from loopin_schemas.alert import AlertWindow
from loopin_schemas.alert_rule import Absence, AlertRule, Anomaly, Change, Threshold
from loopin_schemas.alert_rules.pipeline import HEALTH
from loopin_sinks.alerts.book import Book
from loopin_sinks.alerts.numbers import Numbers
from loopin_sinks.alerts.totals import NOTHING, NotJudged, Total, Totals
from loopin_streams.alerts.judgement import (
    QUIET,
    Judgement,
    Verdict,
    judge_absence,
    judge_change,
    judge_threshold,
)
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.windows.grains import BY_NAME, DAY_MS, LATENESS_MS, Grain

TOO_FEW: Final = "too little has happened since to tell."

MOST_MISSED: Final = 60
"""Closed windows that are looked at, at most, after a time in which nobody did."""

PAST: Final = {"minute": 0, "hour": 35 * 24, "day": 63}
"""Windows before the first look that a model of seasons learns from, instead of warming up for weeks."""

Place = tuple[str, str, str]
"""A project, a rule and its version."""


class Times(NamedTuple):
    """Now by the clock, and up to when all that was received can be queried; epoch ms."""

    now: int
    settled: int

    @property
    def moment(self) -> Moment:
        """For the lifecycle: alerts of the store live by the clock."""
        return Moment(self.now, self.now)

    def closed(self, grain: Grain) -> int:
        """Start of the newest window that gets no more events, but for those that are late."""
        return grain.start(self.settled - LATENESS_MS) - grain.size_ms

    def newest(self, grain: Grain) -> int:
        """Start of the window that is open now."""
        return max(grain.start(self.settled), self.closed(grain) + grain.size_ms)


class Judge:
    """Judges one rule of one project at a time, and enters what follows in the book."""

    def __init__(self, numbers: Numbers, book: Book) -> None:
        self._numbers = numbers
        self._book = book
        self._closed: dict[Place, int] = {}

    async def judge(self, of: Rule, project: str, times: Times) -> None:
        """Judge a rule now.

        Raises:
            NotJudged: nobody can tell what it asks for.
            StoreError: the store did not answer.
        """
        rule, condition = of.rule, of.rule.condition
        if rule.metric in HEALTH:
            self._health(of, project, times)
            return
        closed = times.closed(BY_NAME[rule.grain])
        place = (project, rule.name, of.version)
        before = self._closed.get(place)
        if isinstance(condition, Threshold):
            await self._threshold(of, condition, project, times, before)
        elif isinstance(condition, Absence):
            await self._absence(of, condition, project, times)
        elif before is None or before < closed:
            await self._closed_ones(of, condition, project, times)
        self._closed[place] = closed

    def _health(self, of: Rule, project: str, times: Times) -> None:
        rule, condition = of.rule, of.rule.condition
        if not isinstance(condition, Threshold) or rule.by:
            raise NotJudged(
                f"{rule.metric} is one number of the moment: give the rule a threshold, and no by."
            )
        total = self._numbers.health(rule.metric)
        if total.value is None:
            return
        window = AlertWindow(grain="moment", start=times.now, end=times.now)
        verdict = judge_threshold(condition, total.value, condition.warning)
        self._book.judge(of, project, "", Judgement(verdict, total.value, total.number, window), times.moment)

    async def _threshold(
        self, of: Rule, condition: Threshold, project: str, times: Times, before: int | None
    ) -> None:
        """An upper limit over closed windows and the open one, a lower one over closed windows only.

        An alert is over when the newest closed windows are well again, and the open one is not bad.
        """
        grain = BY_NAME[of.rule.grain]
        closed = times.closed(grain)
        since = closed if before is None else min(closed, before + grain.size_ms)
        first = max(since, closed - MOST_MISSED * grain.size_ms)
        last = times.newest(grain) if condition.direction == "above" else closed
        ends = range(first, last + 1, grain.size_ms)
        found = [(end, await self._spans(of.rule, grain, project, end, times)) for end in ends]
        values = {value for _, spans in found for totals in spans.values() for value in totals}
        for value in sorted(values | set(self._book.values(project, of.rule.name))):
            judgements = {
                end: _over_spans(of.rule, condition, grain, end, spans, value) for end, spans in found
            }
            bad = [each for each in judgements.values() if each.verdict.severity is not None]
            for judgement in bad or [judgements[closed]]:
                self._book.judge(of, project, value, judgement, times.moment)

    async def _spans(
        self, rule: AlertRule, grain: Grain, project: str, end: int, times: Times
    ) -> dict[int, Totals]:
        """The numbers of the windows up to the one that begins at ``end``, by how many those are."""
        found: dict[int, Totals] = {}
        for span in rule.spans:
            edges = (end - (span - 1) * grain.size_ms, end + grain.size_ms)
            [found[span]] = await self._numbers.totals(project, rule, edges, times.now)
            if not rule.by and found[span].get("", NOTHING).number >= rule.at_least:
                break
        return found

    async def _absence(self, of: Rule, condition: Absence, project: str, times: Times) -> None:
        """Closed windows with too little in them, of what was there in as much time before."""
        rule, grain = of.rule, BY_NAME[of.rule.grain]
        end = times.closed(grain) + grain.size_ms
        length = condition.windows * grain.size_ms
        edges = (end - 2 * length, end - length, end, times.newest(grain) + grain.size_ms)
        before, during, since = await self._numbers.totals(project, rule, edges, times.now)
        window = AlertWindow(grain=rule.grain, start=end - length, end=end)
        for value in sorted({*before, *during, *self._book.values(project, rule.name)}):
            number = during.get(value, NOTHING).number
            verdict = judge_absence(condition, number, before.get(value, NOTHING).number, rule.at_least)
            if since.get(value, NOTHING).number >= condition.least:
                # What has come since counts, too: an absence ends at once.
                verdict = QUIET
            judgement = Judgement(verdict, float(number), number, window)
            self._book.judge(of, project, value, judgement, times.moment)

    async def _closed_ones(self, of: Rule, condition: Change | Anomaly, project: str, times: Times) -> None:
        """Windows that have closed since the last look, each once, oldest first."""
        grain = BY_NAME[of.rule.grain]
        closed, back = times.closed(grain), _windows_back(condition, grain)
        first = self._first(of.rule, project, grain, closed)
        edges = range(first - back * grain.size_ms, closed + grain.size_ms + 1, grain.size_ms)
        windows = await self._numbers.totals(project, of.rule, edges, times.now)
        by_start = dict(zip(edges, windows, strict=False))
        begun = next(
            (start for start, each in by_start.items() if any(t.number for t in each.values())), None
        )
        if begun is None:
            return
        known = self._book.known(project, of.rule.name)
        values = {value for each in windows for value in each} | known
        for start in range(max(first, begun), closed + 1, grain.size_ms):
            for value in sorted(values):
                before = by_start.get(start - back * grain.size_ms, {}).get(value, NOTHING)
                total = by_start[start].get(value, self._missing(of.rule, project))
                # What lies before the first look is learned from; to tell of it now would help nobody.
                told = start == closed or value in known
                self._one_closed(of, condition, project, value, start, total, before, times, told)

    def _one_closed(
        self,
        of: Rule,
        condition: Change | Anomaly,
        project: str,
        value: str,
        start: int,
        total: Total,
        before: Total,
        times: Times,
        told: bool,
    ) -> None:
        rule, grain = of.rule, BY_NAME[of.rule.grain]
        history = self._book.history(project, rule, value, self._numbers.kind(project, rule))
        if not history.expects(start):
            return
        verdict = QUIET
        if total.value is not None and told:
            if isinstance(condition, Change):
                verdict = _changed(condition, rule.at_least, total, before)
            else:
                verdict = history.judge(rule, start, total.number, total.value)
        if told:
            window = AlertWindow(grain=rule.grain, start=start, end=start + grain.size_ms)
            judgement = Judgement(verdict, total.value, total.number, window)
            self._book.judge(of, project, value, judgement, times.moment)
        history.learn(start, total.number, total.value, fired=verdict.severity is not None)
        self._book.learned(project, rule.name, value)

    def _first(self, rule: AlertRule, project: str, grain: Grain, closed: int) -> int:
        """The first window to look at: after the last that was learned, or as far back as a model learns."""
        kind = self._numbers.kind(project, rule)
        known = [
            last
            for value in self._book.known(project, rule.name)
            if (last := self._book.history(project, rule, value, kind).stored.last) is not None
        ]
        past = PAST[rule.grain] if isinstance(rule.condition, Anomaly) else 0
        least = closed - max(past, MOST_MISSED) * grain.size_ms
        if not known:
            return closed - past * grain.size_ms
        return min(closed, max(least, min(known) + grain.size_ms))

    def _missing(self, rule: AlertRule, project: str) -> Total:
        return Total(0, 0.0 if self._numbers.kind(project, rule) == "count" else None)


def _over_spans(
    rule: AlertRule,
    condition: Threshold,
    grain: Grain,
    end: int,
    spans: Mapping[int, Totals],
    value: str,
) -> Judgement:
    """Of several numbers of windows, the first in which enough has happened counts."""
    found = {span: totals.get(value, NOTHING) for span, totals in spans.items()}
    span = next((span for span, total in found.items() if _tells(total, rule)), max(found))
    total = found[span]
    window = AlertWindow(grain=rule.grain, start=end - (span - 1) * grain.size_ms, end=end + grain.size_ms)
    if total.value is None or not _tells(total, rule):
        return Judgement(QUIET, total.value, total.number, window, reason=TOO_FEW)
    verdict = judge_threshold(condition, total.value, condition.warning)
    return Judgement(verdict, total.value, total.number, window)


def _tells(total: Total, rule: AlertRule) -> bool:
    return total.number >= rule.at_least and total.value is not None


def _changed(condition: Change, at_least: int, total: Total, before: Total) -> Verdict:
    if total.value is None or before.value is None or before.number < at_least:
        return QUIET
    return judge_change(condition, total.value, before.value)


def _windows_back(condition: Change | Anomaly, grain: Grain) -> int:
    if isinstance(condition, Anomaly):
        return 0
    lengths = {"previous": grain.size_ms, "day": DAY_MS, "week": 7 * DAY_MS}
    return lengths[condition.against] // grain.size_ms
