"""Risks that pass their limits: a rule for each of the catalogue's with a warning and a critical one."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert_rule import AlertRule, Span, Threshold
from loopin_schemas.alert_rules.rule import BuiltIn, Case
from loopin_schemas.metrics import CATALOGUE, Metric
from loopin_schemas.metrics.stream import series_of

SPANS: Final = (15, 60)
"""Minutes that a risk is judged over: a quarter of an hour where enough happens in one, else an hour."""

LONGER: Final = (Span(grain="hour", windows=6), Span(grain="day", windows=2))
"""What it is judged over where little happens."""


def _rule(metric: Metric, warning: float, critical: float) -> AlertRule:
    live = series_of(metric) is not None
    return AlertRule(
        project="",
        name=metric.name,
        metric=metric.name,
        condition=Threshold(
            direction="above" if metric.better == "lower" else "below", warning=warning, critical=critical
        ),
        grain="minute" if live else "hour" if "hour" in metric.grains else "day",
        spans=SPANS if live else (1,),
        longer=LONGER if live else (),
        at_least=metric.at_least,
        description=metric.description,
        labels={"owner": metric.owner},
    )


def _built_in(metric: Metric, warning: float, critical: float) -> BuiltIn:
    beyond = 1 if metric.better == "lower" else -1
    few = metric.at_least - 1
    return BuiltIn(
        rule=_rule(metric, warning, critical),
        cases=(
            Case(value=warning, says="warning"),
            Case(value=critical, says="critical"),
            Case(value=warning - beyond * warning / 10, says=None),
            Case(value=critical, count=few, says=None),
        ),
    )


RISKS: Final[tuple[BuiltIn, ...]] = tuple(
    _built_in(metric, metric.warning, metric.critical)
    for metric in CATALOGUE
    if metric.warning is not None and metric.critical is not None
)
