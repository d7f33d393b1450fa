"""Metrics of the catalogue, and those of projects, over the windows of a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

from loopin_schemas.alert_rule import AlertRule
from loopin_schemas.metrics import Dimension, Metric, by_name
from loopin_schemas.metrics.custom import CustomMetric
from loopin_sinks.alerts.denominators import numbers_of
from loopin_sinks.alerts.subject import Subject, definition_of, subject_of
from loopin_sinks.alerts.totals import NotJudged, Total, Totals
from loopin_sinks.metric_values.calculate import NEVER_NULL, Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store
from loopin_streams.kafka.config_state import Configuration

ScopeOf = Callable[[str, int], Scope]
"""Whose events count in a project, at an epoch ms."""


class Measured:
    """Asks the store for the numbers of metrics."""

    def __init__(self, store: Store, scope_of: ScopeOf, configuration: Callable[[], Configuration]) -> None:
        self._store = store
        self._scope_of = scope_of
        self._configuration = configuration

    def subject(self, project: str, rule: AlertRule) -> Subject:
        """What the rule judges.

        Raises:
            NotJudged: nobody can judge it as it is.
        """
        return subject_of(rule, self._metric(project, rule))

    async def totals(self, project: str, rule: AlertRule, edges: Sequence[int], now_ms: int) -> list[Totals]:
        """The numbers of windows that follow each other; ``edges`` are their starts and the last one's end.

        Raises:
            NotJudged: there is no such metric.
            StoreError: the store did not answer.
        """
        definition = definition_of(rule, self._metric(project, rule))
        if definition is None:
            raise NotJudged(
                f"There is no metric {rule.metric} in project {project}: define it, or change the rule."
            )
        by = cast(Dimension, rule.by) if rule.by else None
        calculator = Calculator(self._store, replace(self._scope_of(project, now_ms), by=by))
        periods = Periods(tuple(map(from_epoch_ms, edges)))
        values = await calculator.values(definition, periods)
        numbers = await numbers_of(calculator, definition, periods)
        missing = 0.0 if isinstance(definition, NEVER_NULL) else None
        return _by_window(values, numbers, len(periods), missing, whole=by is None)

    def _metric(self, project: str, rule: AlertRule) -> Metric | None:
        metric = by_name(rule.metric)
        if metric is not None:
            return metric
        item = self._configuration().of(CustomMetric).get(f"{project}/{rule.metric}")
        return None if item is None else item.body.metric()


def _by_window(
    values: Values, numbers: Values, windows: int, missing: float | None, *, whole: bool
) -> list[Totals]:
    found: list[Totals] = [{"": Total(0, missing)} if whole else {} for _ in range(windows)]
    for window, value in values.keys() | numbers.keys():
        if whole or value:
            key = (window, value)
            found[window][value] = Total(round(numbers.get(key, 0)), values.get(key, missing))
    return found
