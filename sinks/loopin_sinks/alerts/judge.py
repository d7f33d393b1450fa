"""What the rules say of the numbers that the store has, or of the pipeline at this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from loopin_schemas.alert import AlertWindow
from loopin_schemas.alert_rule import Absence, AlertRule, Anomaly, Change, Threshold
from loopin_schemas.alert_rules.pipeline import HEALTH
from loopin_schemas.metrics.ratios import Ratio
from loopin_sinks.alerts.subject import Subject
from loopin_sinks.alerts.totals import NOTHING, Total, Totals
from loopin_streams.alerts.book import About, Book
from loopin_streams.alerts.history import History
from loopin_streams.alerts.judgement import (
    QUIET,
    Counted,
    Judgement,
    Verdict,
    judge_absence,
    judge_change,
    judge_spans,
    judge_threshold,
)
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.plans import spans_of
from loopin_streams.alerts.seasonal import Kind
from loopin_streams.windows.grains import BY_NAME, DAY_MS, LATENESS_MS, Grain

MOST_MISSED: Final = 60
"""Closed windows that are looked at, at most, after a time in which nobody did."""

PAST: Final = {"minute": 0, "hour": 35 * 24, "day": 63}
"""Windows before the first look that a model of seasons learns from, instead of warming up for weeks."""

Place = tuple[str, str, str]
"""A project, a rule and its version."""

Span = tuple[AlertWindow, Totals]
"""Windows together, and their numbers."""


class Asked(Protocol):
    """Tells the numbers: see :class:`loopin_sinks.alerts.numbers.Numbers`."""

    def subject(self, project: str, rule: AlertRule) -> Subject: ...
    def health(self, metric: str) -> Total: ...
    async def totals(
        self, project: str, rule: AlertRule, edges: Sequence[int], now_ms: int
    ) -> list[Totals]: ...


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

    def __init__(self, numbers: Asked, book: Book) -> None:
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
        subject = self._numbers.subject(project, rule)
        if rule.metric in HEALTH:
            self._health(of, project, times)
            return
        closed = times.closed(BY_NAME[rule.grain])
        place = (project, rule.name, of.version)
        before = self._closed.get(place)
        seen = closed
        if isinstance(condition, Threshold):
            seen = await self._threshold(of, condition, project, times, before, subject.ratio)
        elif isinstance(condition, Absence):
            await self._absence(of, condition, project, times)
        elif before is None or before < closed:
            await self._closed_ones(of, condition, project, times, subject.kind)
        self._closed[place] = seen

    def _health(self, of: Rule, project: str, times: Times) -> None:
        rule, condition = of.rule, of.rule.condition
        assert isinstance(condition, Threshold), "what is no subject is not judged"
        total = self._numbers.health(rule.metric)
        if total.value is None:
            return
        window = AlertWindow(grain="moment", start=times.now, end=times.now)
        verdict = judge_threshold(condition, total.value, condition.warning)
        self._book.judge(of, project, "", Judgement(verdict, total.value, total.number, window), times.moment)

    async def _threshold(
        self,
        of: Rule,
        condition: Threshold,
        project: str,
        times: Times,
        before: int | None,
        ratio: Ratio | None,
    ) -> int:
        """An upper limit over closed windows and the open one, a lower one over closed windows only.

        An alert is over when the newest closed windows are well again, as many as it was told of, and the
        open one is not bad. Gives the start of the last closed window that need not be looked at again: what
        followed on one that was bad tells next time how it ended.
        """
        grain = BY_NAME[of.rule.grain]
        closed = times.closed(grain)
        since = closed if before is None else min(closed, before + grain.size_ms)
        first = max(since, closed - MOST_MISSED * grain.size_ms)
        last = times.newest(grain) if condition.direction == "above" else closed
        found = {
            end: await self._spans(of.rule, condition, project, end, times, ratio)
            for end in range(first, last + 1, grain.size_ms)
        }
        values = {value for spans in found.values() for _, totals in spans for value in totals}
        seen = closed
        for value in sorted(values | set(self._book.values(project, of.rule.name))):
            told_ms = self._told_ms(project, of.rule, value)
            judgements = {
                end: _over_spans(of.rule, condition, spans, value, ratio, told_ms)
                for end, spans in found.items()
            }
            bad = {end: each for end, each in judgements.items() if each.verdict.severity is not None}
            for judgement in bad.values() or [_ended(judgements, closed)]:
                self._book.judge(of, project, value, judgement, times.moment)
            seen = min(seen, max((end for end in bad if end <= closed), default=closed))
        return seen

    async def _spans(
        self,
        rule: AlertRule,
        condition: Threshold,
        project: str,
        end: int,
        times: Times,
        ratio: Ratio | None,
    ) -> list[Span]:
        """The numbers of the windows up to the one that begins at ``end``, from few to many."""
        found: list[Span] = []
        for grain, number in spans_of(rule):
            start = grain.start(end)
            edges = (start - (number - 1) * grain.size_ms, start + grain.size_ms)
            [totals] = await self._numbers.totals(project, rule, edges, times.now)
            found.append((AlertWindow(grain=grain.name, start=edges[0], end=edges[1]), totals))
            judged = _over_spans(rule, condition, found[-1:], "", ratio)
            if not rule.by and not judged.reason and not judged.verdict.by_chance:
                break
        return found

    def _told_ms(self, project: str, rule: AlertRule, value: str) -> int | None:
        """Over how long an alert was told, ms, if there is one that is not over."""
        watched = self._book.find(About(project, rule.name, value))
        if watched is None or watched.over:
            return None
        return watched.alert.window.end - watched.alert.window.start

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
            judgement = Judgement(verdict, float(number), number, window, _named(rule, value, window))
            self._book.judge(of, project, value, judgement, times.moment)

    async def _closed_ones(
        self, of: Rule, condition: Change | Anomaly, project: str, times: Times, kind: Kind
    ) -> None:
        """Windows that have closed since the last look, each once, oldest first."""
        grain = BY_NAME[of.rule.grain]
        closed, back = times.closed(grain), _windows_back(condition, grain)
        first = self._first(of.rule, project, grain, closed, kind)
        edges = range(first - back * grain.size_ms, closed + grain.size_ms + 1, grain.size_ms)
        windows = await self._numbers.totals(project, of.rule, edges, times.now)
        by_start = dict(zip(edges, windows, strict=False))
        begun = next(
            (start for start, each in by_start.items() if any(t.number for t in each.values())), None
        )
        if begun is None:
            return
        known = self._book.histories.values(project, of.rule.name)
        values = {value for each in windows for value in each} | known
        for start in range(max(first, begun), closed + 1, grain.size_ms):
            for value in sorted(values):
                before = by_start.get(start - back * grain.size_ms, {}).get(value, NOTHING)
                total = by_start[start].get(value, Total(0, 0.0 if kind == "count" else None))
                history = self._book.histories.of((project, of.rule.name, value), of.rule, kind)
                # What lies before the first look is learned from; to tell of it now would help nobody.
                told = start == closed or value in known
                if history.expects(start):
                    verdict = QUIET if not told else _verdict(of.rule, history, start, total, before)
                    if told:
                        window = AlertWindow(grain=grain.name, start=start, end=start + grain.size_ms)
                        names = _named(of.rule, value, window)
                        judgement = Judgement(verdict, total.value, total.number, window, names)
                        self._book.judge(of, project, value, judgement, times.moment)
                    history.learn(start, total.number, total.value, fired=verdict.severity is not None)
                    self._book.histories.touch((project, of.rule.name, value))

    def _first(self, rule: AlertRule, project: str, grain: Grain, closed: int, kind: Kind) -> int:
        """The first window to look at: after the last that was learned, or as far back as a model learns."""
        known = [
            last
            for value in self._book.histories.values(project, rule.name)
            if (last := self._book.histories.of((project, rule.name, value), rule, kind).stored.last)
            is not None
        ]
        past = PAST[rule.grain] if isinstance(rule.condition, Anomaly) else 0
        least = closed - max(past, MOST_MISSED) * grain.size_ms
        if not known:
            return closed - past * grain.size_ms
        return min(closed, max(least, min(known) + grain.size_ms))


def _ended(judgements: Mapping[int, Judgement], closed: int) -> Judgement:
    """What the newest closed windows say; where they are well, the first that were so without a break."""
    found = newest = judgements[closed]
    for end in sorted(judgements, reverse=True):
        if end <= closed:
            if judgements[end].verdict.holds:
                break
            if not judgements[end].reason:
                found = judgements[end]
    return newest if newest.verdict.holds else found


def _over_spans(
    rule: AlertRule,
    condition: Threshold,
    spans: Sequence[Span],
    value: str,
    ratio: Ratio | None,
    told_ms: int | None = None,
) -> Judgement:
    """What is to be said of one value; of an alert, over no more than it was told of."""
    counted = [
        Counted(window, total.number, total.value)
        for at, (window, totals) in enumerate(spans)
        if at == 0 or told_ms is None or window.end - window.start <= told_ms
        for total in (totals.get(value, NOTHING),)
    ]
    of, verdict, reason = judge_spans(
        condition, condition.warning, rule.at_least, counted, ratio=ratio, told=told_ms is not None
    )
    return Judgement(verdict, of.value, of.number, of.over, _named(rule, value, of.over), reason)


def _named(rule: AlertRule, value: str, window: AlertWindow) -> tuple[str, ...]:
    """The windows of a time, as alerts of the stream name theirs; these are computed, and not stored."""
    assert window.grain != "moment"
    size = BY_NAME[window.grain].size_ms
    about = "/".join((rule.metric, rule.by, value, window.grain))
    return tuple(f"{about}/{start}" for start in range(window.start, window.end, size))


def _verdict(rule: AlertRule, history: History, start: int, total: Total, before: Total) -> Verdict:
    """Of a closed window: a change against the one ``before``, or an anomaly against its past."""
    if total.value is None:
        return QUIET
    if not isinstance(rule.condition, Change):
        return history.judge(rule, start, total.number, total.value)
    if before.value is None or before.number < rule.at_least:
        return QUIET
    return judge_change(rule.condition, total.value, before.value)


def _windows_back(condition: Change | Anomaly, grain: Grain) -> int:
    if isinstance(condition, Anomaly):
        return 0
    lengths = {"previous": grain.size_ms, "day": DAY_MS, "week": 7 * DAY_MS}
    return lengths[condition.against] // grain.size_ms
