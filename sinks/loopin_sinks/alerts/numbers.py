"""Where the numbers of each rule come from that the stream's windows do not have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_sinks.alerts.measured import Measured
from loopin_sinks.alerts.security import Asked, is_security, security_totals
from loopin_sinks.alerts.subject import Subject
from loopin_sinks.alerts.totals import Total, Totals
from loopin_sinks.store import Store

Health = Callable[[str], Total]
"""A number of the pipeline at this moment, by the metric's name; its value is None while it is not known."""


class Numbers:
    """Asks the store, or the process itself."""

    def __init__(self, store: Store, measured: Measured, health: Health) -> None:
        self._store = store
        self._measured = measured
        self._health = health

    def health(self, metric: str) -> Total:
        """A number of the pipeline at this moment."""
        return self._health(metric)

    def subject(self, project: str, rule: AlertRule) -> Subject:
        """What the rule judges.

        Raises:
            NotJudged: nobody can judge it as it is.
        """
        return self._measured.subject(project, rule)

    async def totals(self, project: str, rule: AlertRule, edges: Sequence[int], now_ms: int) -> list[Totals]:
        """The numbers of windows that follow each other; ``edges`` are their starts and the last one's end.

        Raises:
            NotJudged: there is no such metric.
            StoreError: the store did not answer.
        """
        if not is_security(rule.metric):
            return await self._measured.totals(project, rule, edges, now_ms)
        return [
            await security_totals(
                self._store, rule.metric, Asked(project, start, end, _least(rule), rule.at_least)
            )
            for start, end in pairwise(edges)
        ]


def _least(rule: AlertRule) -> float:
    """The least value that matters: what is below lets every alert end."""
    condition = rule.condition
    if not isinstance(condition, Threshold) or condition.direction == "below":
        return 1.0
    limits = [limit for limit in (condition.warning, condition.critical) if limit is not None]
    return min(limits) * (1 - condition.hysteresis)
