"""Metrics of the catalogue, and those of projects, over the windows of a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, cast

from loopin_schemas.alert_rule import AlertRule
from loopin_schemas.metrics import Dimension, by_name
from loopin_schemas.metrics import definition as d
from loopin_schemas.metrics.custom import CustomMetric
from loopin_sinks.alerts.denominators import numbers_of
from loopin_sinks.alerts.totals import NotJudged, Total, Totals
from loopin_sinks.metric_values.calculate import Calculator
from loopin_sinks.metric_values.scope import Periods, Scope, from_epoch_ms
from loopin_sinks.metric_values.sql import DIMENSIONS
from loopin_sinks.metric_values.values import Values
from loopin_sinks.store import Store
from loopin_streams.alerts.seasonal import Kind
from loopin_streams.kafka.config_state import Configuration

OF_ALL_EVENTS: Final[dict[str, d.Definition]] = {
    "events": d.Count(d.ACTIVE),
    "active_users": d.Users(d.ACTIVE),
    "sentiment": d.Mean(d.ACTIVE, "sentiment"),
}
"""Series of the stream, where a rule is by what the stream does not split them by.

Events of the system group are not among these.
"""

COUNTS: Final = (
    *(d.Count, d.Sum, d.Users, d.TrailingUsers, d.UsersSoFar),
    *(d.Sessions, d.UniquePageViews, d.Revenue, d.OnlineMembers),
)
"""Definitions whose value is 0 where nothing happened, and grows with what does."""

ScopeOf = Callable[[str, int], Scope]
"""Whose events count in a project, at an epoch ms."""


class Measured:
    """Asks the store for the numbers of metrics."""

    def __init__(self, store: Store, scope_of: ScopeOf, configuration: Callable[[], Configuration]) -> None:
        self._store = store
        self._scope_of = scope_of
        self._configuration = configuration

    def kind(self, project: str, rule: AlertRule) -> Kind:
        """What the values are, for the model of their season.

        Raises:
            NotJudged: there is no such metric.
        """
        return "count" if isinstance(self._definition(project, rule), COUNTS) else "value"

    async def totals(self, project: str, rule: AlertRule, edges: Sequence[int], now_ms: int) -> list[Totals]:
        """The numbers of windows that follow each other; ``edges`` are their starts and the last one's end.

        Raises:
            NotJudged: there is no such metric, or it is not told by the rule's dimension.
            StoreError: the store did not answer.
        """
        definition = self._definition(project, rule)
        if rule.by and rule.by not in DIMENSIONS:
            raise NotJudged(
                f"{rule.metric} is not told by {rule.by}: choose one of {', '.join(sorted(DIMENSIONS))}."
            )
        by = cast(Dimension, rule.by) if rule.by else None
        calculator = Calculator(self._store, replace(self._scope_of(project, now_ms), by=by))
        periods = Periods(tuple(map(from_epoch_ms, edges)))
        values = await calculator.values(definition, periods)
        numbers = await numbers_of(calculator, definition, periods)
        missing = 0.0 if isinstance(definition, COUNTS) else None
        return _by_window(values, numbers, len(periods), missing, whole=by is None)

    def _definition(self, project: str, rule: AlertRule) -> d.Definition:
        metric = by_name(rule.metric)
        if metric is not None:
            return metric.definition
        found = OF_ALL_EVENTS.get(rule.metric)
        if found is not None:
            return found
        for item in self._configuration().of(CustomMetric).values():
            if (item.body.project, item.body.name) == (project, rule.metric):
                return item.body.metric().definition
        raise NotJudged(
            f"There is no metric {rule.metric} in project {project}: define it, or change the rule."
        )


def _by_window(
    values: Values, numbers: Values, windows: int, missing: float | None, *, whole: bool
) -> list[Totals]:
    found: list[Totals] = [{"": Total(0, missing)} if whole else {} for _ in range(windows)]
    for window, value in values.keys() | numbers.keys():
        if whole or value:
            key = (window, value)
            found[window][value] = Total(round(numbers.get(key, 0)), values.get(key, missing))
    return found
