"""The rules of all projects over the windows of one merge partition, with all that is remembered for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from loopin_schemas.alert import Alert
from loopin_schemas.alert_rule import Absence, Anomaly, Change, Threshold
from loopin_schemas.topics import MERGE_STATE
from loopin_streams.alerts.absences import Absences
from loopin_streams.alerts.book import About, Book
from loopin_streams.alerts.early import Early
from loopin_streams.alerts.history import History
from loopin_streams.alerts.judgement import QUIET, Counted
from loopin_streams.alerts.lifecycle import Moment, Rule
from loopin_streams.alerts.plans import Plan, Plans, is_upper
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.thresholds import Found, Limit, Thresholds
from loopin_streams.alerts.window_numbers import Over, WindowNumbers, closed_since
from loopin_streams.kafka.job import Message
from loopin_streams.merge.merged_windows import MergedWindow, MergedWindows
from loopin_streams.windows.grains import HOUR_MS, MINUTE_MS
from loopin_streams.windows.series import OTHER


class Alarms:
    """Judges what changes, remembers what fires, and says what is new.

    A threshold is judged whenever a series changes, over the newest windows; a change and an anomaly once for
    each window that closes; an absence with each minute that passes. Nothing of it depends on the order in
    which partitions speak, but for when it is said.
    """

    def __init__(
        self, rules: Rules, windows: MergedWindows, limits: Mapping[str, Limit], book: Book | None = None
    ) -> None:
        self._windows = windows
        self._book = Book(rules) if book is None else book
        self._plans = Plans(rules)
        self._numbers = WindowNumbers(windows)
        self._thresholds = Thresholds(self._numbers, self._plans, self._book, limits)
        self._absences = Absences(self._numbers, self._book)
        self._looked_up_to: int | None = None
        self._early = Early()

    def __len__(self) -> int:
        return len(self._book)

    def restore(self, state: Mapping[bytes, bytes], watermark: int | None) -> None:
        """Take in what :meth:`changes` has written, and the watermark that it was written at."""
        self._book.restore(state, MERGE_STATE.name)
        self._looked_up_to = watermark
        if watermark is not None:
            for window in self._windows.all():
                self._early.put_off(window, watermark)

    def changes(self) -> Iterator[Message]:
        """What changed since the last time, for the state topic."""
        return self._book.changes()

    def look(self, touched: Iterable[MergedWindow], watermark: int, clock_ms: int) -> list[Alert]:
        """What follows from windows that have changed, and from the time that has passed."""
        now = Moment(watermark, clock_ms)
        before = self._looked_up_to
        ripe = self._early.ripe(touched, watermark)
        alerts = self._take(self._thresholds.passed(ripe, before, watermark), now)
        if before is None or before // MINUTE_MS != watermark // MINUTE_MS:
            alerts += self._minute(before, now)
        self._looked_up_to = watermark
        return alerts

    def pass_time(self, watermark: int, clock_ms: int) -> list[Alert]:
        """What follows from time, and from what people have said: reminders, escalation, silences."""
        return self._book.pass_time(Moment(watermark, clock_ms), self._rule)

    def _minute(self, before: int | None, now: Moment) -> list[Alert]:
        """What a minute that has passed brings: old windows slide out, others close, and some stay empty."""
        if before is None or before // HOUR_MS != now.event_ms // HOUR_MS:
            self._book.histories.forget(lambda about: self._rule(About(*about)) is not None, now.event_ms)
        alerts: list[Alert] = []
        for about, watched in self._book.all():
            plan = self._plans.find(about.project, about.rule)
            if plan is None or (watched.over and not watched.waiting and plan.forgets(watched, now.event_ms)):
                if watched.over:
                    self._book.forget(about)
            else:
                alerts += self._take(self._goes_on(plan, about, before, now), now)
        for project in self._windows.projects():
            for plan in self._plans.of(project).all:
                alerts += self._passed(plan, project, before, now)
        return alerts

    def _goes_on(self, plan: Plan, about: About, before: int | None, now: Moment) -> Iterator[Found]:
        """Of what is watched; changes and anomalies are judged anew with each window."""
        condition = plan.rule.rule.condition
        if isinstance(condition, Threshold):
            yield from self._thresholds.goes_on(plan, about, before, now.event_ms)
        elif isinstance(condition, Absence):
            judgement = self._absences.judge(plan, condition, about.project, about.value, now.event_ms)
            yield plan, about.project, about.value, judgement

    def _passed(self, plan: Plan, project: str, before: int | None, now: Moment) -> list[Alert]:
        condition = plan.rule.rule.condition
        if isinstance(condition, Absence):
            return self._take(self._absences.begun(plan, condition, project, now.event_ms), now)
        if isinstance(condition, (Change, Anomaly)):
            return self._closed_ones(plan, project, before, now)
        if is_upper(condition):
            return []
        return self._take(self._thresholds.too_low(plan, project, before, now.event_ms), now)

    def _closed_ones(self, plan: Plan, project: str, before: int | None, now: Moment) -> list[Alert]:
        """Windows that have closed since the last look, each once, oldest first, for rules with a past."""
        alerts: list[Alert] = []
        rule, histories = plan.rule.rule, self._book.histories
        for start in closed_since(plan.grain, before, now.event_ms):
            known = histories.values(project, rule.name)
            values = known | self._numbers.values(plan, project, (start,))
            for value in sorted(values - {OTHER}):
                history = histories.of((project, rule.name, value), rule, plan.kind)
                if history.expects(start):
                    counted = self._numbers.counted(plan, project, value, Over(plan.grain, start))
                    alerts += self._one_closed(plan, project, value, history, counted, now)
        return alerts

    def _one_closed(
        self, plan: Plan, project: str, value: str, history: History, of: Counted[Over], now: Moment
    ) -> list[Alert]:
        verdict, start = QUIET, of.over.last
        if of.value is not None:
            verdict = history.judge(plan.rule.rule, start, of.number, of.value)
        judgement = self._numbers.judgement(plan, project, value, of, verdict)
        alerts = self._book.judge(plan.rule, project, value, judgement, now)
        history.learn(start, of.number, of.value, fired=verdict.severity is not None)
        self._book.histories.touch((project, plan.rule.rule.name, value))
        return alerts

    def _take(self, found: Iterable[Found], now: Moment) -> list[Alert]:
        alerts: list[Alert] = []
        for plan, project, value, judgement in found:
            alerts += self._book.judge(plan.rule, project, value, judgement, now)
        return alerts

    def _rule(self, about: About) -> Rule | None:
        plan = self._plans.find(about.project, about.rule)
        return None if plan is None else plan.rule
