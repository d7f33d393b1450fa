"""Which series of the windows a rule is about."""

from __future__ import annotations

from typing import Final, NamedTuple

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.alert_rules.pipeline import INVALID_RATIO
from loopin_schemas.metrics import by_name
from loopin_schemas.metrics.ratios import Ratio, ratio_of
from loopin_schemas.metrics.stream import DIMENSIONS, Statistic, series_of
from loopin_streams.windows.operations import REASON, RECEIVED, REJECTED
from loopin_streams.windows.series import Series


class Source(NamedTuple):
    """Series of one metric and dimension: that of ``value``, or of each value where it is None.

    ``whole`` is the series that the counts of these are a share of; ``ratio`` is which one of the
    count's events the value is.
    """

    metric: str
    dimension: str = ""
    value: str | None = ""
    statistic: Statistic = "count"
    whole: Series | None = None
    ratio: Ratio | None = None

    def series(self, value: str) -> Series:
        """That of one value of the rule's dimension (``""`` for the whole)."""
        return self.metric, self.dimension, value if self.value is None else self.value


_OF_ALL_EVENTS: Final[dict[str, Statistic]] = {
    "events": "count",
    "active_users": "count",
    "sentiment": "mean",
}
"""Series of the windows that are no metrics of the catalogue."""


def source_of(rule: AlertRule) -> Source | None:
    """Where the windows have what the rule judges; None where the store has to be asked."""
    if rule.metric == INVALID_RATIO:
        return Source(REJECTED, REASON, None, whole=(RECEIVED, "", "")) if rule.by == REASON else None
    if rule.metric in _OF_ALL_EVENTS:
        if rule.metric == "active_users" and not _judges_one_window(rule):
            return None
        statistic = _OF_ALL_EVENTS[rule.metric]
        if not rule.by:
            return Source(rule.metric, statistic=statistic)
        return Source(rule.metric, rule.by, None, statistic) if rule.by in ("event", "country") else None
    metric = by_name(rule.metric)
    found = series_of(metric) if metric is not None else None
    if metric is None or found is None or not (found.additive or _judges_one_window(rule)):
        return None
    if rule.grain != "day" and "hour" not in metric.grains:
        return None  # The users of a minute are not those of a day.
    ratio = ratio_of(metric.definition)
    if not rule.by:
        return Source(found.metric, found.dimension, found.value, found.statistic, ratio=ratio)
    if rule.by in DIMENSIONS and found.own:
        return Source(found.metric, rule.by, None, found.statistic, ratio=ratio)
    return None


def _judges_one_window(rule: AlertRule) -> bool:
    return not isinstance(rule.condition, Threshold) or (rule.spans == (1,) and not rule.longer)
