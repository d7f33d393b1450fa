"""Alerts as the store has them: the newest record of each, its history, and the windows behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from loopin_api.timespan import Timespan
from loopin_schemas.alert import Alert, AlertState, Severity
from loopin_schemas.alert_rules.pipeline import INVALID_RATIO
from loopin_schemas.metrics import Metric
from loopin_sinks.alerts.rows import alert_of
from loopin_sinks.metric_values.scope import from_epoch_ms
from loopin_sinks.store import Store

MAX_RECORDS: Final = 1000
"""Most records of an alert in an answer, the newest."""

MAX_FIRING: Final = 20
"""Most firing alerts in an answer, the worst and newest."""

_NEWEST: Final = """(
    SELECT * FROM alerts FINAL WHERE project = {project:String} ORDER BY sequence DESC LIMIT 1 BY id
)"""

_RECORDS: Final = """
SELECT * FROM alerts FINAL WHERE project = {project:String} AND id = {id:String}
ORDER BY sequence DESC LIMIT {most:UInt32}
"""

_FIRING: Final = f"""
SELECT * FROM {_NEWEST} WHERE state = 'firing' AND NOT silenced
ORDER BY severity = 'critical' DESC, fired_at DESC, id LIMIT {{most:UInt32}}
"""

_NAME: Final = (
    "concat(metric, '/', dimension, '/', dimension_value, '/', grain, '/', "
    "toString(toInt64(toUnixTimestamp(start)) * 1000))"
)

_WINDOWS: Final = f"""
SELECT {_NAME} AS name, count, sum, closed, basis
FROM metric_windows FINAL
WHERE project = {{project:String}} AND metric = {{metric:String}} AND grain = {{grain:String}}
    AND dimension = {{dimension:String}}
    AND start >= {{start:DateTime64(3, 'UTC')}} AND start < {{end:DateTime64(3, 'UTC')}}
    AND name IN {{names:Array(String)}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which alerts: those that were not over before ``span`` began, and had opened before it ended."""

    span: Timespan | None = None
    state: AlertState | None = None
    severity: Severity | None = None
    rule: str | None = None
    metric: str | None = None


@dataclass(frozen=True, slots=True)
class WindowNumbers:
    """A stored window; without numbers where the store does not have it."""

    name: str
    count: int | None = None
    sum: float | None = None
    closed: bool | None = None
    basis: str | None = None


async def alerts(
    store: Store, project: str, wanted: Wanted, limit: int, offset: int
) -> tuple[int, list[Alert]]:
    """How many alerts there are, and some of them, those that opened last first.

    Raises:
        StoreError: the store did not answer.
    """
    tests, bound = _tests(wanted)
    found = f"FROM {_NEWEST} WHERE {' AND '.join(tests)}"
    bound["project"] = project
    [counted] = await store.query(f"SELECT count() AS number {found}", bound)
    page = {"limit": limit, "offset": offset, **bound}
    order = "ORDER BY opened_at DESC, id LIMIT {limit:UInt32} OFFSET {offset:UInt64}"
    rows = await store.query(f"SELECT * {found} {order}", page)
    return counted["number"], [alert_of(row) for row in rows]


async def records(store: Store, project: str, id: str, most: int = MAX_RECORDS) -> list[Alert]:
    """An alert's records, in order; none where it is not known.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(_RECORDS, {"project": project, "id": id, "most": most})
    return [alert_of(row) for row in reversed(rows)]


async def firing(store: Store, project: str) -> list[Alert]:
    """Alerts that fire, and are neither acknowledged nor silenced; critical ones first, then the newest.

    Raises:
        StoreError: the store did not answer.
    """
    return [alert_of(row) for row in await store.query(_FIRING, {"project": project, "most": MAX_FIRING})]


async def windows(store: Store, alert: Alert) -> list[WindowNumbers]:
    """The windows that an alert's value was added up from, in order.

    Raises:
        StoreError: the store did not answer.
    """
    if not alert.windows:
        return []
    series, grain, _ = alert.windows[0].rsplit("/", 2)
    metric, dimension, _ = series.split("/", 2)
    rows = await store.query(
        _WINDOWS,
        {
            "project": alert.project,
            "metric": metric,
            "dimension": dimension,
            "grain": grain,
            "start": from_epoch_ms(alert.window.start),
            "end": from_epoch_ms(alert.window.end),
            "names": alert.windows,
        },
    )
    known = {row["name"]: row for row in rows}
    return [_numbers(name, known.get(name)) for name in alert.windows]


def is_ratio(name: str, known: Sequence[Metric]) -> bool:
    """Whether values of a metric are ratios, which some answers show in percent."""
    return name == INVALID_RATIO or any(each.name == name and each.unit == "ratio" for each in known)


def _tests(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    tests, bound = ["1"], dict[str, object]()
    for name in ("state", "severity", "rule", "metric"):
        value = getattr(wanted, name)
        if value is not None:
            tests.append(f"{name} = {{{name}:String}}")
            bound[name] = value
    if wanted.span is not None:
        tests.append("opened_at < {end:DateTime64(3, 'UTC')}")
        tests.append("(state != 'resolved' OR resolved_at >= {start:DateTime64(3, 'UTC')})")
        bound |= {"start": wanted.span.start, "end": wanted.span.end}
    return tests, bound


def _numbers(name: str, row: dict[str, Any] | None) -> WindowNumbers:
    if row is None:
        return WindowNumbers(name)
    total = row["sum"]
    return WindowNumbers(
        name, row["count"], None if total is None else float(total), row["closed"], row["basis"]
    )
