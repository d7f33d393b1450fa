"""What a project calls worrying, and what it wants to reach, in place of the catalogue's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol, TypeVar

import msgspec

from loopin_schemas.alert_rule import AlertRule, Threshold
from loopin_schemas.metrics import Metric
from loopin_schemas.project import ProjectSettings
from loopin_streams.kafka.config_state import Item

T = TypeVar("T", bound=msgspec.Struct)


class Items(Protocol):
    """What is configured."""

    def of(self, body: type[T]) -> Mapping[str, Item[T]]:
        """The items of a kind by id."""


def bounded(metric: Metric, project: str, items: Items) -> Metric:
    """The metric with the project's target, and with the limits of its rule of the metric's name.

    So what an answer calls a warning is what is alerted as one.
    """
    own = items.of(ProjectSettings).get(project)
    targets = (own.body.targets if own is not None else None) or {}
    if metric.name in targets:
        metric = replace(metric, target=targets[metric.name])
    rule = items.of(AlertRule).get(f"{project}/{metric.name}")
    if rule is None or rule.body.metric != metric.name or not isinstance(rule.body.condition, Threshold):
        return metric
    limits = rule.body.condition
    # Of a limit in the other direction the metric's own way of being worse knows nothing.
    if limits.direction != ("above" if metric.better == "lower" else "below"):
        return metric
    return replace(metric, warning=limits.warning, critical=limits.critical)
