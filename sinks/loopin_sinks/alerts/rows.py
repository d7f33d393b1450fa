"""Alerts as rows of the table ``alerts``."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import pyarrow as pa

from loopin_schemas.alert import Alert, AlertWindow, ExpectedRange
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.persons.rows import table

ALERTS: Final = "alerts"

_MS = pa.timestamp("ms", "UTC")
_TEXTS = pa.map_(pa.string(), pa.string())

ALERTS_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("sequence", pa.uint32(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("severity", pa.string(), nullable=False),
        pa.field("rule", pa.string(), nullable=False),
        pa.field("rule_version", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("dimensions", _TEXTS, nullable=False),
        pa.field("value", pa.float64()),
        pa.field("threshold", pa.float64()),
        pa.field("expected_low", pa.float64()),
        pa.field("expected_high", pa.float64()),
        pa.field("count", pa.uint64(), nullable=False),
        pa.field("window_grain", pa.string(), nullable=False),
        pa.field("window_start", _MS, nullable=False),
        pa.field("window_end", _MS, nullable=False),
        pa.field("windows", pa.list_(pa.string()), nullable=False),
        pa.field("message", pa.string(), nullable=False),
        pa.field("labels", _TEXTS, nullable=False),
        pa.field("silenced", pa.bool_(), nullable=False),
        pa.field("escalated", pa.bool_(), nullable=False),
        pa.field("acknowledged_by", pa.string(), nullable=False),
        pa.field("opened_at", _MS, nullable=False),
        pa.field("fired_at", _MS),
        pa.field("resolved_at", _MS),
        pa.field("at", _MS, nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
    ]
)


_TIMES: Final = ("opened_at", "fired_at", "resolved_at", "at")
_MADE: Final = frozenset(("window", "expected", "version", *_TIMES))
_AS_THEY_ARE: Final = tuple(name for name in Alert.__struct_fields__ if name not in _MADE)


class Recorded(NamedTuple):
    """A record of the topic; of the same alert and sequence the greater revision counts, its offset."""

    alert: Alert
    revision: int


def alerts_to_arrow(records: Collection[Recorded], stored_at_ms: int) -> pa.Table:
    """Rows of ``ALERTS_SCHEMA``, one a record."""
    alerts = [each.alert for each in records]
    columns: tuple[Sequence[object], ...] = (
        [a.project for a in alerts],
        [a.id for a in alerts],
        [a.sequence for a in alerts],
        [a.event for a in alerts],
        [a.state for a in alerts],
        [a.severity for a in alerts],
        [a.rule for a in alerts],
        [a.rule_version for a in alerts],
        [a.metric for a in alerts],
        [list(a.dimensions.items()) for a in alerts],
        [a.value for a in alerts],
        [a.threshold for a in alerts],
        [a.expected and a.expected.low for a in alerts],
        [a.expected and a.expected.high for a in alerts],
        [a.count for a in alerts],
        [a.window.grain for a in alerts],
        [a.window.start for a in alerts],
        [a.window.end for a in alerts],
        [a.windows for a in alerts],
        [a.message for a in alerts],
        [list(a.labels.items()) for a in alerts],
        [a.silenced for a in alerts],
        [a.escalated for a in alerts],
        [a.acknowledged_by for a in alerts],
        [a.opened_at for a in alerts],
        [a.fired_at for a in alerts],
        [a.resolved_at for a in alerts],
        [a.at for a in alerts],
        [a.reason for a in alerts],
        [each.revision for each in records],
        [stored_at_ms] * len(alerts),
    )
    return table(columns, ALERTS_SCHEMA)


def alert_of(row: Mapping[str, Any]) -> Alert:
    """The record that a row was made of."""
    low, high = row["expected_low"], row["expected_high"]
    start, end = epoch_ms(row["window_start"]), epoch_ms(row["window_end"])
    told = {name: row[name] for name in _AS_THEY_ARE}
    told |= {name: None if row[name] is None else epoch_ms(row[name]) for name in _TIMES}
    return Alert(
        **told,
        expected=None if low is None or high is None else ExpectedRange(low=low, high=high),
        window=AlertWindow(grain=row["window_grain"], start=start, end=end),
    )
