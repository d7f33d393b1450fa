"""A rule that the store is asked for over past periods, by the lifecycle that all alerts have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from loopin_schemas.alert import AlertWindow
from loopin_schemas.alert_rule import Absence, Threshold
from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.definition import Count, Definition, Mean, Percentile, Quotient, Sum
from loopin_sinks.alerts.episodes import Episode, Episodes
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, epoch_ms, periods
from loopin_sinks.metric_values.values import Values
from loopin_streams.alerts.alarms import TOO_FEW
from loopin_streams.alerts.history import Histories
from loopin_streams.alerts.judgement import QUIET, Judgement, Verdict, judge_absence, judge_threshold
from loopin_streams.alerts.lifecycle import Moment, Rule, Watched, judged
from loopin_streams.alerts.seasonal import Kind

_MEASURED: Final = (Quotient, Mean, Percentile)


def whole_periods(rule: Rule, wanted: Periods, calculator: Calculator) -> Periods | None:
    """The rule's windows that lie in a time, by the project's clock; None where not one does."""
    grain = rule.rule.grain
    assert grain != "minute", "the store is asked for hours and days"
    edges = periods(grain, wanted.start, wanted.end, calculator.scope.zone).edges
    first = wanted.start - timedelta(milliseconds=1)
    begins = periods(grain, first, wanted.end, calculator.scope.zone).edges[1] == wanted.start
    after = wanted.end + timedelta(milliseconds=1)
    ends = periods(grain, wanted.start, after, calculator.scope.zone).edges[-2] == wanted.end
    whole = edges[0 if begins else 1 : None if ends else -1]
    return Periods(whole) if len(whole) > 1 else None


async def recalculate(calculator: Calculator, rule: Rule, metric: Metric, within: Periods) -> list[Episode]:
    """Episodes of a rule over periods, each judged when it is over.

    Raises:
        StoreError: the store did not answer.
    """
    values = await calculator.values(metric.definition, within)
    numbers = await _numbers(calculator, metric.definition, within, values)
    kind: Kind = "value" if isinstance(metric.definition, _MEASURED) else "count"
    judge = _Judge(rule, calculator.scope, kind)
    for number in range(len(within)):
        start, end = epoch_ms(within.edges[number]), epoch_ms(within.edges[number + 1])
        for of in sorted({value for _, value in values} | ({""} if not rule.rule.by else set())):
            judge.judge(of, start, end, values.get((number, of)), int(numbers.get((number, of), 0)))
    return judge.episodes.found


async def _numbers(
    calculator: Calculator, of: Definition, within: Periods, values: Values
) -> Mapping[tuple[int, str], float]:
    """How many events or users each value is made of; where that cannot be told, the value itself."""
    if isinstance(of, Quotient):
        return await calculator.values(of.whole, within)
    if isinstance(of, Mean | Percentile | Sum):
        return await calculator.values(Count(of.of), within)
    return values


class _Judge:
    """What a rule says of one period after the other."""

    def __init__(self, rule: Rule, scope: Scope, kind: Kind) -> None:
        self.episodes = Episodes()
        self._rule = rule
        self._project = scope.project
        self._kind = kind
        self._watched: dict[str, Watched | None] = {}
        self._histories = Histories(lambda _: scope.zone)
        self._counts: dict[str, list[int]] = {}

    def judge(self, of: str, start: int, end: int, value: float | None, number: int) -> None:
        rule = self._rule.rule
        verdict = self._verdict(of, start, value, number)
        window = AlertWindow(grain=rule.grain, start=start, end=end)
        reason = TOO_FEW if value is None or number < rule.at_least else ""
        judgement = Judgement(verdict, value, number, window, (), reason)
        now = Moment(end, end)
        dimensions = {rule.by: of} if rule.by else {}
        watched, alerts = judged(self._watched.get(of), self._rule, self._project, dimensions, judgement, now)
        self._watched[of] = watched
        self.episodes.take(of, judgement, alerts, end)

    def _verdict(self, of: str, start: int, value: float | None, number: int) -> Verdict:
        rule = self._rule.rule
        condition = rule.condition
        if isinstance(condition, Absence):
            return self._absence(condition, of, number)
        if isinstance(condition, Threshold):
            enough = value is not None and number >= rule.at_least
            return (
                judge_threshold(condition, value, condition.warning)
                if enough and value is not None
                else QUIET
            )
        history = self._histories.of((self._project, rule.name, of), rule, self._kind)
        verdict = QUIET if value is None else history.judge(rule, start, number, value)
        history.learn(start, number, value, fired=verdict.severity is not None)
        return verdict

    def _absence(self, condition: Absence, of: str, number: int) -> Verdict:
        counts = self._counts.setdefault(of, [])
        counts.append(number)
        last, before = counts[-condition.windows :], counts[-2 * condition.windows : -condition.windows]
        if len(last) < condition.windows:
            return QUIET
        return judge_absence(condition, sum(last), sum(before), self._rule.rule.at_least)
