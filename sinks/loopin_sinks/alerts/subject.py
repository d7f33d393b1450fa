"""What a rule judges that the stream's windows cannot tell of: the one place that says whether it can be.

Whoever keeps a rule (the API), judges it (the watcher) or tries it over history (the back-test) asks here, so
that none of them refuses what another one takes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from msgspec.structs import replace

from loopin_schemas.alert_rule import AlertRule, Anomaly, Threshold
from loopin_schemas.alert_rules.pipeline import HEALTH
from loopin_schemas.alert_rules.security import DIMENSION_OF
from loopin_schemas.metrics import Metric
from loopin_schemas.metrics import definition as d
from loopin_schemas.metrics.ratios import Ratio, ratio_of
from loopin_sinks.alerts.totals import NotJudged
from loopin_sinks.metric_values.calculate import NEVER_NULL
from loopin_sinks.metric_values.sql import DIMENSIONS
from loopin_streams.alerts.seasonal import Kind
from loopin_streams.alerts.source import source_of

OF_ALL_EVENTS: Final[dict[str, d.Definition]] = {
    "events": d.Count(d.ACTIVE),
    "active_users": d.Users(d.ACTIVE),
    "sentiment": d.Mean(d.ACTIVE, "sentiment"),
}
"""Series of the stream, where a rule is by what the stream does not split them by.

Events of the system group are not among these.
"""

_STREAM_DIMENSIONS: Final = ("event", "country", "reason")

_NO_SEASON: Final = (
    "is made mostly of what it was the day before, so nothing is usual at a time of the week: judge what is "
    "new (new_registrations, dau), or give a threshold or a change."
)


class Fault(NamedTuple):
    """What keeps a rule from being judged: its field, and one sentence that says what to do."""

    field: str
    reason: str


class Subject(NamedTuple):
    """What is judged: ``kind`` is for the model of its season; chance may make a ``ratio`` of few.

    ``definition`` is None where single users, addresses, or the pipeline are judged.
    """

    definition: d.Definition | None
    kind: Kind
    ratio: Ratio | None


def subject_of(rule: AlertRule, metric: Metric | None) -> Subject:
    """What a rule judges; ``metric`` is the one of its name, None where there is none.

    Raises:
        NotJudged: nobody can judge it as it is.
    """
    fault = fault_of(rule, metric)
    if fault is not None:
        raise NotJudged(fault.reason)
    definition = definition_of(rule, metric)
    if definition is None or isinstance(definition, NEVER_NULL):
        return Subject(definition, "count", None)
    return Subject(definition, "value", ratio_of(definition))


def definition_of(rule: AlertRule, metric: Metric | None) -> d.Definition | None:
    """What is computed; None where that is no metric."""
    return OF_ALL_EVENTS.get(rule.metric) if metric is None else metric.definition


def has_no_season(of: d.Definition) -> bool:
    """Whether nothing is usual for its value at a time of the week: it is that of the time before, and a bit.

    Growth since the first of the month moves enough to be judged by whoever asks for it.
    """
    return d.looks_back(of) and not isinstance(of, d.MonthGrowth)


def fault_of(rule: AlertRule, metric: Metric | None) -> Fault | None:
    """What keeps a rule from being judged; None where nothing does."""
    if source_of(rule) is not None:
        return None
    if rule.metric in HEALTH:
        return _of_pipeline(rule)
    if (by := DIMENSION_OF.get(rule.metric)) is not None:
        return None if rule.by == by else Fault("by", f"{rule.metric} is judged by {by} only.")
    choices = _choices(rule, metric)
    if not choices:
        reason = "There is no metric of this name; GET /api/analytics/metric-definitions lists them."
        return Fault("metric", reason)
    if rule.by not in choices:
        return Fault("by", f"{rule.metric} can be judged {_by(choices)}.")
    if metric is None:
        return None
    if isinstance(rule.condition, Anomaly) and has_no_season(metric.definition):
        return Fault("condition", f"{rule.metric} {_NO_SEASON}")
    return None if "hour" in metric.grains else _of_days(rule)


def _of_pipeline(rule: AlertRule) -> Fault | None:
    if rule.by or not isinstance(rule.condition, Threshold):
        reason = f"{rule.metric} is one number of the moment: give a threshold, and no by."
        return Fault("condition", reason)
    return None


def _choices(rule: AlertRule, metric: Metric | None) -> list[str]:
    """What the rule may be by, in turn; without anything there is nothing to judge."""
    alone = (replace(rule, by=by, spans=(1,), longer=()) for by in ("", *_STREAM_DIMENSIONS))
    live = [each.by for each in alone if source_of(each) is not None]
    stored: Iterable[str] = ()
    if metric is not None:
        stored = ("", *metric.dimensions)
    elif rule.metric in OF_ALL_EVENTS:
        stored = ("", *DIMENSIONS)
    return list(dict.fromkeys((*stored, *live)))


def _of_days(rule: AlertRule) -> Fault | None:
    """Of a metric that is made of days, and so has no value of hours, nor of several days together."""
    if rule.grain != "day":
        return Fault("grain", f"{rule.metric} is made of days: it is judged by day.")
    if rule.spans != (1,):
        return Fault("spans", f"Several days of {rule.metric} together have no value; leave spans at 1.")
    if rule.longer:
        return Fault("longer", f"Several days of {rule.metric} together have no value; leave it empty.")
    return None


def _by(choices: list[str]) -> str:
    named = ", ".join(each for each in choices if each)
    if "" not in choices:
        return f"by {named} only"
    return f"as a whole, or by {named}" if named else "as a whole only: leave by empty"
