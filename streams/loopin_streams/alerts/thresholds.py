"""Rules whose value passes a limit, over the windows in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from loopin_schemas.alert_rule import Threshold
from loopin_streams.alerts.book import About, Book
from loopin_streams.alerts.judgement import Counted, Judgement, judge_spans
from loopin_streams.alerts.plans import Plan, Plans, is_upper
from loopin_streams.alerts.window_numbers import Over, WindowNumbers, closed, closed_since, newest
from loopin_streams.merge.merged_windows import MergedWindow
from loopin_streams.windows.series import OTHER, Series

MOST_PASSED: Final = 1_440
"""Closed windows that are looked at, at most, for those that ended an alert."""

Limit = Callable[[str, str], float | None]
"""The warning limit of a rule for one project and value of its dimension, in place of the rule's own."""

Found = tuple[Plan, str, str, Judgement]
"""A rule, the project and the value of its dimension that it was judged of, and what was said."""


class Thresholds:
    """An upper limit is judged whenever a series changes, a lower one once a window has closed.

    ``limits`` stand in place of the limits of built-in rules, by rule.
    """

    def __init__(self, numbers: WindowNumbers, plans: Plans, book: Book, limits: Mapping[str, Limit]) -> None:
        self._numbers = numbers
        self._plans = plans
        self._book = book
        self._limits = limits

    def passed(
        self,
        changed: Iterable[tuple[MergedWindow, Collection[Series]]],
        before: int | None,
        watermark: int,
    ) -> Iterator[Found]:
        """Upper limits that changed windows pass, the oldest window first."""
        for plan, project, value, end in self._dirty(changed, before, watermark):
            judgement = self._judge(plan, project, value, end)
            if judgement is not None and judgement.verdict.severity is not None:
                yield plan, project, value, judgement

    def goes_on(self, plan: Plan, about: About, before: int | None, watermark: int) -> Iterator[Found]:
        """Of an alert, once a minute: it is over when the newest closed windows are well.

        They are so for good, which those that are open are not; these must not be bad, though. It was told of
        some windows, and is over by as many: longer ones would hide what goes on. Where much time has passed
        since the last look, at the watermark ``before``, the first that were well again tell so.
        """
        first = closed(plan.grain, watermark)
        last = newest(plan.grain, watermark) if is_upper(plan.rule.rule.condition) else first
        watched = self._book.find(about)
        most_ms = None
        if watched is not None and not watched.over:
            most_ms = watched.alert.window.end - watched.alert.window.start
        found = [
            self._judge(plan, about.project, about.value, end, most_ms)
            for end in range(first, last + 1, plan.grain.size_ms)
        ]
        judgements = [each for each in found if each is not None]
        bad = [each for each in judgements if each.verdict.severity is not None]
        for judgement in bad or judgements[:1]:
            over = None if judgement.verdict.holds else self._ended(plan, about, before, first, most_ms)
            yield plan, about.project, about.value, over or judgement

    def _ended(
        self, plan: Plan, about: About, before: int | None, last: int, most_ms: int | None
    ) -> Judgement | None:
        """What the first closed windows say that were well after all that were not; None where none tell."""
        size = plan.grain.size_ms
        first = last if before is None else max(plan.grain.start(before), last - MOST_PASSED * size)
        found: Judgement | None = None
        for end in range(first, last + 1, size):
            judgement = self._judge(plan, about.project, about.value, end, most_ms)
            if judgement is None or judgement.verdict.holds:
                found = None
            elif found is None and not judgement.reason:
                found = judgement
        return found

    def too_low(self, plan: Plan, project: str, before: int | None, watermark: int) -> Iterator[Found]:
        """Lower limits over windows that have closed; while they are open, all begin with nothing."""
        for start in closed_since(plan.grain, before, watermark):
            values = self._numbers.values(plan, project, (start, start - plan.grain.size_ms))
            for value in sorted(values - {OTHER}):
                judgement = self._judge(plan, project, value, start)
                if judgement is not None and judgement.verdict.severity is not None:
                    yield plan, project, value, judgement

    def _dirty(
        self,
        changed: Iterable[tuple[MergedWindow, Collection[Series]]],
        before: int | None,
        watermark: int,
    ) -> Iterator[tuple[Plan, str, str, int]]:
        """Upper limits that may be passed, each with the newest window to judge it over, oldest first.

        Whatever has become the newest window since the last look is judged as such, however much time has
        passed meanwhile; one more, because its last events come when it is over. What changes before that is
        too late for an alert of its own.
        """
        found: dict[tuple[str, str, str, int], Plan] = {}
        for window, series in changed:
            grain, plans = window.grain, self._plans.of(window.project).upper
            last = newest(grain, watermark)
            since = last if before is None else newest(grain, before)
            for metric, dimension, value in series:
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

    def _judge(
        self, plan: Plan, project: str, value: str, end: int, most_ms: int | None = None
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
        told = most_ms is not None
        spans = self._spans(plan, project, value, end, most_ms)
        of, verdict, reason = judge_spans(
            condition, warning, rule.at_least, spans, ratio=plan.source.ratio, told=told
        )
        return self._numbers.judgement(plan, project, value, of, verdict, reason)

    def _spans(
        self, plan: Plan, project: str, value: str, end: int, most_ms: int | None
    ) -> Iterator[Counted[Over]]:
        watched = self._book.find(About(project, plan.rule.rule.name, value))
        after = None if watched is None else watched.after_ms
        for at, (grain, number) in enumerate(plan.spans):
            if at and most_ms is not None and grain.size_ms * number > most_ms:
                return
            over = Over(grain, grain.start(end), number)
            yield self._numbers.counted(plan, project, value, over, after)
