"""What was said of periods of which nothing is known now: it stays, as nothing says that it does not hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

from loopin_schemas.insight import Insight
from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.definition import looks_back
from loopin_sinks.insights.unusual import LEAST_DAYS, WEEK, WEEKS
from loopin_sinks.metric_history.stored import kept_name
from loopin_sinks.metric_values.scope import EPOCH


class Known(NamedTuple):
    """What is known of metrics, by kept name: numbers of days, of Mondays, and who has forecasts."""

    days: Mapping[str, Collection[int]]
    weeks: Mapping[str, Collection[int]]
    forecasts: Collection[str]


def standing(opened: Iterable[Insight], metrics: Sequence[Metric], known: Known) -> list[Insight]:
    """Those of the insights of values that cannot be judged anew.

    So it is after a project has changed its time zone or currency, until its values are calculated in it.
    None is of a project's own metrics: it may be of a former one of the same name.
    """
    by_name = {metric.name: metric for metric in metrics}
    return [
        each
        for each in opened
        if each.target_type == "metric"
        and (metric := by_name.get(each.target_id)) is not None
        and _stands(each, metric, known)
    ]


def _stands(insight: Insight, metric: Metric, known: Known) -> bool:
    name = kept_name(metric)
    if name != metric.name:
        return False
    days, weeks = known.days.get(name, ()), known.weeks.get(name, ())
    if insight.insight_type == "metric_change":
        day = _day(insight)
        before = sum(at in days for at in range(day - WEEKS * WEEK, day))
        return not looks_back(metric.definition) and (day not in days or before < LEAST_DAYS)
    if insight.insight_type == "target_missed":
        return all(monday < _day(insight) for monday in weeks)
    return insight.insight_type == "forecast_off_track" and (not days or name not in known.forecasts)


def _day(insight: Insight) -> int:
    """The number of the day that its id ends with, in whatever zone it was."""
    return (date.fromisoformat(insight.id.rpartition("/")[2]) - EPOCH).days
