"""An alert in one sentence, for a person."""

from __future__ import annotations

from typing import Final

from loopin_schemas.alert import Alert
from loopin_schemas.alert_rules.pipeline import INVALID_RATIO
from loopin_schemas.alert_rules.security import TRAVEL_SPEED_OF_ONE_USER
from loopin_schemas.metrics import by_name
from loopin_schemas.metrics.metric import Unit

_LENGTHS: Final = {"minute": 60, "hour": 3600, "day": 86_400}


def message_of(alert: Alert) -> str:
    """What has happened, of what, and against which limit."""
    what = _what(alert)
    if alert.state == "resolved":
        if alert.reason:
            return f"{what} is over: {alert.reason}"
        return f"{what} is back to {_told(alert, alert.value)}{_limit(alert)}."
    if alert.state == "acknowledged":
        return f"{what}: {alert.acknowledged_by} looks after it."
    is_now = f"{what} is {_told(alert, alert.value)} over {_over(alert)}{_limit(alert)}."
    if alert.rule == INVALID_RATIO:
        reason = alert.dimensions.get("reason", "")
        option = f" --project {alert.project}" if alert.project else ""
        return f"{is_now[:-1]}: see `loopin dlq list --reason {reason}{option}`."
    return is_now


def _what(alert: Alert) -> str:
    if alert.rule == INVALID_RATIO:
        whose = f"of project {alert.project}" if alert.project else "that name no project"
        return f"The share of records {whose} that were refused as {alert.dimensions.get('reason', '')}"
    of = ", ".join(f"{name} {value}" for name, value in alert.dimensions.items())
    return f"{alert.metric} of project {alert.project}" + (f" ({of})" if of else "")


def _over(alert: Alert) -> str:
    length = (alert.window.end - alert.window.start) // 1000
    grain = alert.window.grain
    if grain == "moment":
        return "the last look"
    number = max(1, length // _LENGTHS[grain])
    return f"a{'n' if grain == 'hour' else ''} {grain}" if number == 1 else f"{number} {grain}s"


def _limit(alert: Alert) -> str:
    if alert.expected is not None:
        low, high = (_told(alert, value) for value in (alert.expected.low, alert.expected.high))
        return f" ({low} to {high} was expected)"
    return "" if alert.threshold is None else f" (limit {_told(alert, alert.threshold)})"


def _told(alert: Alert, value: float | None) -> str:
    if value is None:
        return "unknown"
    if alert.metric == TRAVEL_SPEED_OF_ONE_USER:
        return f"{value:,.0f} km/h"
    unit = _unit(alert)
    if unit == "ratio":
        return f"{value:.1%}"
    if unit == "ms":
        return f"{value:,.0f} ms"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def _unit(alert: Alert) -> Unit:
    if alert.metric == INVALID_RATIO:
        return "ratio"
    metric = by_name(alert.metric)
    return metric.unit if metric is not None else "count"
