"""Rules on what does not come any more, over the windows in memory."""

from __future__ import annotations

from collections.abc import Iterator

from loopin_schemas.alert_rule import Absence
from loopin_streams.alerts.book import About, Book
from loopin_streams.alerts.judgement import QUIET, Judgement, judge_absence
from loopin_streams.alerts.plans import Plan
from loopin_streams.alerts.thresholds import Found
from loopin_streams.alerts.window_numbers import Over, WindowNumbers, closed, newest


class Absences:
    """Judged with each minute that passes."""

    def __init__(self, numbers: WindowNumbers, book: Book) -> None:
        self._numbers = numbers
        self._book = book

    def begun(self, plan: Plan, condition: Absence, project: str, watermark: int) -> Iterator[Found]:
        """Of series that were there in as much time before as an absence takes."""
        number, end = condition.windows, closed(plan.grain, watermark)
        starts = [end - at * plan.grain.size_ms for at in range(number, 2 * number)]
        for value in sorted(self._numbers.values(plan, project, starts)):
            # Those that are watched are judged with all other alerts.
            if self._book.find(About(project, plan.rule.rule.name, value)) is None:
                yield plan, project, value, self.judge(plan, condition, project, value, watermark)

    def judge(self, plan: Plan, condition: Absence, project: str, value: str, watermark: int) -> Judgement:
        """Of the newest closed windows of one series."""
        number, size = condition.windows, plan.grain.size_ms
        end = closed(plan.grain, watermark)
        during = self._numbers.counted(plan, project, value, Over(plan.grain, end, number))
        before = self._numbers.counted(plan, project, value, Over(plan.grain, end - number * size, number))
        # What has come since counts, too: an absence ends at once.
        latest = Over(plan.grain, newest(plan.grain, watermark), 2)
        since = self._numbers.counted(plan, project, value, latest)
        verdict = judge_absence(condition, during.number, before.number, plan.rule.rule.at_least)
        if since.number >= condition.least:
            verdict = QUIET
        judgement = self._numbers.judgement(plan, project, value, during, verdict)
        return judgement._replace(value=float(during.number))
