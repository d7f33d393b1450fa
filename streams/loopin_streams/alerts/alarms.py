"""The rules of all projects over the windows of one merge partition, with all that is remembered for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from loopin_schemas.alert import Alert, AlertWindow
from loopin_schemas.alert_rule import Absence, Anomaly, Change, Threshold
from loopin_schemas.codec import decoder, encode
from loopin_schemas.profile import MILLION
from loopin_streams.alerts.history import Histories, History
from loopin_streams.alerts.judgement import (
    QUIET,
    Judgement,
    Verdict,
    judge_absence,
    judge_threshold,
)
from loopin_streams.alerts.lifecycle import Handling, Moment, Rule, Watched, given_up, judged, timed
from loopin_streams.alerts.rules import Rules
from loopin_streams.alerts.seasonal import Kind
from loopin_streams.alerts.source import Source, source_of
from loopin_streams.kafka.job import Message
from loopin_streams.kafka.state_record import read_state
from loopin_streams.merge.merged_windows import MergedWindow, MergedWindows
from loopin_streams.windows.grains import BY_NAME, HOUR_MS, LATENESS_MS, MINUTE_MS, Grain
from loopin_streams.windows.series import OTHER, Series

ALERT_PREFIX: Final = b"a:"
"""Begins the keys of alerts on the job's state topic."""

Limit = Callable[[str, str], float | None]
"""The warning limit of a rule for one project and value of its dimension, in place of the rule's own."""

MOST_PLANS: Final = 1000
"""Sets of rules that are remembered with what they judge."""

TOO_FEW: Final = "too little has happened since to tell."

_decode = decoder(Watched).decode


class About(NamedTuple):
    """What an alert is about."""

    project: str
    rule: str
    value: str


class _Plan(NamedTuple):
    """A rule, and where its numbers are."""

    rule: Rule
    source: Source
    grain: Grain

    @property
    def spans(self) -> list[tuple[Grain, int]]:
        """Windows that are judged together, from short to long."""
        rule = self.rule.rule
        longer = [(BY_NAME[span.grain], span.windows) for span in rule.longer]
        return [*((self.grain, number) for number in rule.spans), *longer]

    def forgets(self, watched: Watched, event_ms: int) -> bool:
        """Whether nothing that is judged now was an earlier alert's matter any more."""
        longest = max(grain.size_ms * (number + 1) for grain, number in self.spans)
        return not watched.silent(self.rule.rule, event_ms) and event_ms - (watched.ended_ms or 0) > longest

    @property
    def kind(self) -> Kind:
        """What its values are, for the model of their season."""
        return "value" if self.source.statistic == "mean" else "count"

    def dimensions(self, value: str) -> dict[str, str]:
        """What an alert on one value of the rule's dimension is about."""
        by = self.rule.rule.by
        return {by: value} if by else {}


_Windows = tuple[Grain, int, int]
"""Windows of a grain: where the last begins, and how many up to it."""


class _Plans:
    """The plans of a set of rules: all, by rule, and upper thresholds by grain, metric and dimension."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        # Kept with the rules, whose id would otherwise become that of others.
        self.rules = rules
        found = ((rule, source_of(rule.rule)) for rule in rules)
        self.all = tuple(
            _Plan(rule, source, BY_NAME[rule.rule.grain]) for rule, source in found if source is not None
        )
        self.by_rule = {plan.rule.rule.name: plan for plan in self.all}
        self.upper: dict[tuple[str, str, str], list[_Plan]] = {}
        for plan in self.all:
            if _is_upper(plan.rule.rule.condition):
                key = (plan.grain.name, plan.source.metric, plan.source.dimension)
                self.upper.setdefault(key, []).append(plan)


class Total(NamedTuple):
    """A series over some windows: how many events or users, and the value that is judged."""

    number: int
    value: float | None


class Alarms:
    """Judges what changes, remembers what fires, and says what is new.

    A threshold is judged whenever a series changes, over the newest windows; a change and an anomaly once for
    each window that closes; an absence with each minute that passes. Nothing of it depends on the order in
    which partitions speak, but for when it is said.
    """

    def __init__(self, rules: Rules, windows: MergedWindows, limits: Mapping[str, Limit]) -> None:
        self._rules = rules
        self._windows = windows
        self._limits = limits
        self._watched: dict[About, Watched] = {}
        self._changed: set[About] = set()
        self._histories = Histories(rules.zone)
        self._plans: dict[int, _Plans] = {}
        self._looked_up_to: int | None = None
        self._early: dict[tuple[str, int], tuple[MergedWindow, set[Series]]] = {}

    def __len__(self) -> int:
        return len(self._watched)

    def restore(self, state: Mapping[bytes, bytes], watermark: int | None) -> None:
        """Take in what :meth:`changes` has written, and the watermark that it was written at.

        Raises:
            RefusedToOpen: ``state_unreadable`` or ``state_version``.
        """
        for key, value in state.items():
            if key.startswith(ALERT_PREFIX):
                what = f"The alert {key[:120]!r} on the topic merge.state"
                watched = read_state(value, _decode, what=what, topic="merge.state", job="merge")
                about = _about(watched.alert)
                self._watched[about] = watched
        self._histories.restore(state)
        self._looked_up_to = watermark
        if watermark is not None:
            for window in self._windows.all():
                self._put_off(window, watermark)

    def changes(self) -> Iterator[Message]:
        """What changed since the last time, for the state topic."""
        for about in sorted(self._changed):
            watched = self._watched.get(about)
            yield _key(about), None if watched is None else encode(watched)
        self._changed.clear()
        yield from self._histories.changes()

    def look(self, touched: Iterable[MergedWindow], watermark: int, clock_ms: int) -> list[Alert]:
        """What follows from windows that have changed, and from the time that has passed."""
        now = Moment(watermark, clock_ms)
        alerts: list[Alert] = []
        before = self._looked_up_to
        for plan, project, value, end in self._dirty(touched, before, watermark):
            judgement = self._threshold(plan, project, value, end)
            if judgement is not None and judgement.verdict.severity is not None:
                alerts += self._judge(plan, project, value, judgement, now)
        if before is None or before // MINUTE_MS != watermark // MINUTE_MS:
            alerts += self._minute(before, now)
        self._looked_up_to = watermark
        return alerts

    def pass_time(self, watermark: int, clock_ms: int) -> list[Alert]:
        """What follows from time, and from what people have said: reminders, escalation, silences."""
        now = Moment(watermark, clock_ms)
        alerts: list[Alert] = []
        for about, watched in tuple(self._watched.items()):
            plan = self._plan(about)
            if plan is None or plan.dimensions(about.value) != watched.alert.dimensions:
                reason = "the rule was removed, changed or switched off."
                alerts += self._keep(about, *given_up(watched, now, reason))
            else:
                handling = self._handling(watched, clock_ms)
                alerts += self._keep(about, *timed(watched, plan.rule, handling, now))
        return alerts

    def _dirty(
        self, touched: Iterable[MergedWindow], before: int | None, watermark: int
    ) -> Iterator[tuple[_Plan, str, str, int]]:
        """Upper thresholds that may be passed, each with the newest window to judge it over, oldest first.

        Whatever has become the newest window since the last look is judged as such, however much time has
        passed meanwhile; one more, because its last events come when it is over. What changes before that is
        too late for an alert of its own.
        """
        found: dict[tuple[str, str, str, int], _Plan] = {}
        for window, changed in self._ripe(touched, watermark):
            grain, plans = window.grain, self._of(window.project).upper
            last = _current(grain, watermark)
            since = last if before is None else _current(grain, before)
            for metric, dimension, value in changed:
                for plan in plans.get((grain.name, metric, dimension), ()):
                    rule = plan.rule.rule
                    if plan.source.value not in (None, value):
                        continue
                    if window.start >= since - grain.size_ms:
                        end = window.start
                    elif window.start > last - rule.spans[-1] * grain.size_ms:
                        end = last
                    else:
                        continue
                    of = value if plan.source.value is None else ""
                    found[window.project, rule.name, of, end] = plan
        for (project, _, value, end), plan in sorted(found.items(), key=lambda one: (one[0][3], one[0])):
            yield plan, project, value, end

    def _ripe(
        self, touched: Iterable[MergedWindow], watermark: int
    ) -> Iterator[tuple[MergedWindow, Collection[Series]]]:
        """Changed windows with their changed series, also those that could not be judged before.

        While one partition lags, so does the watermark: what the others tell of newer windows has to wait.
        """
        for key, (window, changed) in list(self._early.items()):
            if window.start <= _current(window.grain, watermark):
                del self._early[key]
                yield window, changed
        for window in touched:
            if not self._put_off(window, watermark):
                yield window, window.unpublished

    def _put_off(self, window: MergedWindow, watermark: int) -> bool:
        """Keep a window for later, if its time has not come."""
        if window.start <= _current(window.grain, watermark):
            return False
        held = self._early.setdefault((window.project, window.grain.code(window.start)), (window, set()))
        held[1].update(window.unpublished)
        return True

    def _minute(self, before: int | None, now: Moment) -> list[Alert]:
        """What a minute that has passed brings: old windows slide out, others close, and some stay empty."""
        alerts: list[Alert] = []
        if before is None or before // HOUR_MS != now.event_ms // HOUR_MS:
            self._histories.forget(lambda about: self._plan(About(*about)) is not None, now.event_ms)
        for about, watched in tuple(self._watched.items()):
            plan = self._plan(about)
            if plan is None or (watched.over and not watched.waiting and plan.forgets(watched, now.event_ms)):
                if watched.over:
                    self._keep(about, None, [])
                continue
            condition = plan.rule.rule.condition
            if isinstance(condition, Threshold):
                alerts += self._go_on(plan, about, now)
            elif isinstance(condition, Absence):
                alerts += self._absence(plan, condition, about.project, about.value, now)
        for project in self._windows.projects():
            for plan in self._of(project).all:
                condition = plan.rule.rule.condition
                if isinstance(condition, Absence):
                    alerts += self._absences(plan, condition, project, now)
                elif isinstance(condition, Threshold):
                    if not _is_upper(condition):
                        alerts += self._too_low(plan, project, before, now)
                else:
                    alerts += self._closed_ones(plan, condition, project, before, now)
        return alerts

    def _threshold(
        self, plan: _Plan, project: str, value: str, end: int, most_ms: int | None = None
    ) -> Judgement | None:
        """Of the windows up to the one that begins at ``end``; None where the project has no limit.

        With ``most_ms``, none that are longer together are judged, and what these say counts, however few
        they count.
        """
        rule, condition = plan.rule.rule, plan.rule.rule.condition
        assert isinstance(condition, Threshold)
        # A project's own rule says itself what it bears.
        limit = self._limits.get(rule.name) if rule.project == "" else None
        warning = condition.warning if limit is None else limit(project, value)
        if limit is not None and warning is None:
            return None
        watched = self._watched.get(About(project, rule.name, value))
        after = None if watched is None else watched.after_ms
        found: tuple[_Windows, Total, Verdict, str] | None = None
        over, total = (plan.grain, end, 1), Total(0, None)
        for grain, number in plan.spans:
            if most_ms is not None and grain.size_ms * number > most_ms:
                break
            over = grain, grain.start(end), number
            total = self._total(plan, project, value, over, after)
            if total.number >= rule.at_least and total.value is not None:
                of_events = total.number if plan.source.ratio else None
                verdict = judge_threshold(condition, total.value, warning, of_events)
                if found is None or verdict.severity is not None:
                    found = over, total, verdict, ""
                # What may be chance among so few is none among more.
                if not verdict.by_chance:
                    break
        if found is None:
            verdict = QUIET
            if most_ms is not None and total.value is not None:
                verdict = judge_threshold(condition, total.value, warning)._replace(severity=None)
            found = over, total, verdict, TOO_FEW
        judged_over, total, verdict, reason = found
        judgement = self._judgement(plan, project, value, judged_over, total, verdict)
        return judgement._replace(reason=reason)

    def _go_on(self, plan: _Plan, about: About, now: Moment) -> list[Alert]:
        """Of an alert on a threshold, once a minute: it is over when the newest closed windows are well.

        They are so for good, which those that are open are not; these must not be bad, though. It was told of
        some windows, and is over by as many: longer ones would hide what goes on.
        """
        closed, newest = _closed(plan.grain, now.event_ms), _current(plan.grain, now.event_ms)
        ends = range(
            closed, (newest if _is_upper(plan.rule.rule.condition) else closed) + 1, plan.grain.size_ms
        )
        watched = self._watched[about]
        told = watched.alert.window
        most_ms = None if watched.over else told.end - told.start
        found = [self._threshold(plan, about.project, about.value, end, most_ms) for end in ends]
        judgements = [each for each in found if each is not None]
        bad = [each for each in judgements if each.verdict.severity is not None] or judgements[:1]
        alerts: list[Alert] = []
        for judgement in bad:
            alerts += self._judge(plan, about.project, about.value, judgement, now)
        return alerts

    def _too_low(self, plan: _Plan, project: str, before: int | None, now: Moment) -> list[Alert]:
        """Lower thresholds over windows that have closed; while they are open, all begin with nothing."""
        alerts: list[Alert] = []
        for start in self._closed_since(plan.grain, before, now):
            values: set[str] = set()
            for at in (start, start - plan.grain.size_ms):
                window = self._windows.find(project, plan.grain, at)
                values.update(_values(plan.source, window.cells) if window is not None else ())
            for value in sorted(values - {OTHER}):
                judgement = self._threshold(plan, project, value, start)
                if judgement is not None and judgement.verdict.severity is not None:
                    alerts += self._judge(plan, project, value, judgement, now)
        return alerts

    def _closed_since(self, grain: Grain, before: int | None, now: Moment) -> range:
        """Starts of the windows that have closed since the last look, and are in memory."""
        last = _closed(grain, now.event_ms)
        first = last - grain.keep_ms if before is None else grain.start(before)
        # Of what is no longer in memory nobody knows what happened.
        return range(max(first, last - grain.keep_ms), last + 1, grain.size_ms)

    def _absences(self, plan: _Plan, condition: Absence, project: str, now: Moment) -> list[Alert]:
        """Of series that were there in as much time before as an absence takes."""
        number, size = condition.windows, plan.grain.size_ms
        end = _closed(plan.grain, now.event_ms)
        values: set[str] = set()
        for at in range(number, 2 * number):
            window = self._windows.find(project, plan.grain, end - at * size)
            if window is not None:
                values.update(_values(plan.source, window.cells))
        alerts: list[Alert] = []
        for value in sorted(values):
            # Those that are watched are judged with all other alerts.
            if About(project, plan.rule.rule.name, value) not in self._watched:
                alerts += self._absence(plan, condition, project, value, now)
        return alerts

    def _absence(self, plan: _Plan, condition: Absence, project: str, value: str, now: Moment) -> list[Alert]:
        number, size = condition.windows, plan.grain.size_ms
        end = _closed(plan.grain, now.event_ms)
        total = self._total(plan, project, value, (plan.grain, end, number))
        before = self._total(plan, project, value, (plan.grain, end - number * size, number))
        # What has come since counts, too: an absence ends at once.
        newest = _current(plan.grain, now.event_ms)
        since = self._total(plan, project, value, (plan.grain, newest, 2))
        verdict = judge_absence(condition, total.number, before.number, plan.rule.rule.at_least)
        if since.number >= condition.least:
            verdict = QUIET
        judgement = self._judgement(plan, project, value, (plan.grain, end, number), total, verdict)
        return self._judge(plan, project, value, judgement._replace(value=float(total.number)), now)

    def _closed_ones(
        self, plan: _Plan, condition: Change | Anomaly, project: str, before: int | None, now: Moment
    ) -> list[Alert]:
        """Windows that have closed since the last look, oldest first."""
        alerts: list[Alert] = []
        for start in self._closed_since(plan.grain, before, now):
            window = self._windows.find(project, plan.grain, start)
            known = self._histories.values(project, plan.rule.rule.name)
            values = known | set(_values(plan.source, window.cells if window is not None else ()))
            for value in sorted(values - {OTHER}):
                about = About(project, plan.rule.rule.name, value)
                history = self._histories.of(about, plan.rule.rule, plan.kind)
                if not history.expects(start):
                    continue
                total = self._total(plan, project, value, (plan.grain, start, 1))
                alerts += self._one_closed(plan, about, history, start, total, now)
        return alerts

    def _one_closed(
        self, plan: _Plan, about: About, history: History, start: int, total: Total, now: Moment
    ) -> list[Alert]:
        verdict = QUIET
        if total.value is not None:
            verdict = history.judge(plan.rule.rule, start, total.number, total.value)
        over = (plan.grain, start, 1)
        judgement = self._judgement(plan, about.project, about.value, over, total, verdict)
        alerts = self._judge(plan, about.project, about.value, judgement, now)
        history.learn(start, total.number, total.value, fired=verdict.severity is not None)
        self._histories.touch(about)
        return alerts

    def _total(
        self, plan: _Plan, project: str, value: str, over: _Windows, after: int | None = None
    ) -> Total:
        """The numbers of some windows together, but of none that begins before ``after``."""
        series, source = plan.source.series(value), plan.source
        number = total = whole = 0
        for grain, start in _starts(over):
            window = self._windows.find(project, grain, start)
            if window is None or (after is not None and start < after):
                continue
            more, summed = window.sums(series)
            number, total = number + more, total + summed
            if source.whole is not None:
                whole += window.count(source.whole)
        if source.whole is not None:
            # A cell may arrive before that of all records: then the next second knows more.
            return Total(number, number / whole if whole >= number > 0 else None)
        if source.statistic == "count":
            return Total(number, float(number))
        if source.statistic == "sum":
            return Total(number, total / MILLION)
        return Total(number, total / number / MILLION if number else None)

    def _judgement(
        self, plan: _Plan, project: str, value: str, over: _Windows, total: Total, verdict: Verdict
    ) -> Judgement:
        series = plan.source.series(value)
        found = [each for each in _starts(over) if self._has(project, *each, series)]
        names = tuple("/".join((*series, grain.name, str(start))) for grain, start in found)
        grain, last, number = over
        first, end = last - (number - 1) * grain.size_ms, last + grain.size_ms
        window = AlertWindow(grain=grain.name, start=first, end=end)
        return Judgement(verdict, total.value, total.number, window, names)

    def _has(self, project: str, grain: Grain, start: int, series: Series) -> bool:
        window = self._windows.find(project, grain, start)
        return window is not None and series in window.cells

    def _judge(self, plan: _Plan, project: str, value: str, judgement: Judgement, now: Moment) -> list[Alert]:
        about = About(project, plan.rule.rule.name, value)
        watched = self._watched.get(about)
        found, alerts = judged(watched, plan.rule, project, plan.dimensions(value), judgement, now)
        kept = self._keep(about, found, alerts)
        if alerts and found is not None and not found.over:
            # A silence that is there already holds from the first record on.
            handling = self._handling(found, now.clock_ms)
            if handling.silenced and not found.alert.silenced:
                kept[-1] = found.alert = msgspec.structs.replace(found.alert, silenced=True)
        return kept

    def _keep(self, about: About, watched: Watched | None, alerts: list[Alert]) -> list[Alert]:
        if watched is None:
            if self._watched.pop(about, None) is not None:
                self._changed.add(about)
        elif alerts or watched is not self._watched.get(about):
            self._watched[about] = watched
            self._changed.add(about)
        return alerts

    def _handling(self, watched: Watched, clock_ms: int) -> Handling:
        alert = watched.alert
        return self._rules.handling(
            alert.id, alert.project, alert.rule, alert.severity, alert.dimensions, clock_ms
        )

    def _plan(self, about: About) -> _Plan | None:
        return self._of(about.project).by_rule.get(about.rule)

    def _of(self, project: str) -> _Plans:
        """A project's rules that the windows can tell of."""
        rules = self._rules.of(project)
        known = self._plans.get(id(rules))
        if known is None:
            if len(self._plans) > MOST_PLANS:
                self._plans.clear()
            known = self._plans[id(rules)] = _Plans(rules)
        return known


def _starts(over: _Windows) -> list[tuple[Grain, int]]:
    """Some windows, oldest first."""
    grain, last, number = over
    return [(grain, last - at * grain.size_ms) for at in reversed(range(number))]


def _values(source: Source, series: Collection[Series]) -> Iterator[str]:
    """The values of the rule's dimension among some series; the whole is one of ``""``."""
    if source.value is not None:
        if source.series("") in series:
            yield ""
        return
    for metric, dimension, value in series:
        if (metric, dimension) == (source.metric, source.dimension):
            yield value


def _current(grain: Grain, watermark: int) -> int:
    """Start of the newest window by the time of events, which the watermark is behind."""
    return grain.start(watermark + LATENESS_MS)


def _closed(grain: Grain, watermark: int) -> int:
    """Start of the newest window that the watermark has passed."""
    return grain.start(watermark) - grain.size_ms


def _is_upper(condition: object) -> bool:
    return isinstance(condition, Threshold) and condition.direction == "above"


def _about(alert: Alert) -> About:
    return About(alert.project, alert.rule, next(iter(alert.dimensions.values()), ""))


def _key(about: About) -> bytes:
    return ALERT_PREFIX + ":".join(about).encode()
