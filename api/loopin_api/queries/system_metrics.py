"""What systems measured of themselves, one measurement a row."""

from __future__ import annotations

from math import isfinite, nan
from typing import Any, Final

from loopin_api.queries.recorded import Corrected, Record, RecordQuery
from loopin_schemas.metrics.definition import events
from loopin_sinks.metric_values.scope import epoch_ms

OF_METRICS: Final = events("system_metric")

_TEXTS: Final = ("metric_type", "component", "operation")
_NUMBERS: Final = ("response_time_ms", "status_code", "memory_usage_mb")
_READ: Final = frozenset({*_TEXTS, *_NUMBERS, "value", "additional_data"})


def text(query: RecordQuery, name: str) -> str:
    """In SQL, what kind of measurement it is, or of what."""
    return query.field(name, query.text(name), "String")


def value(query: RecordQuery) -> str:
    """In SQL, the measurement; what is none comes last in any order."""
    return query.field("value", f"ifNull({query.number('value')}, nan)", "Float64")


def recorded(record: Record) -> dict[str, Any]:
    """A measurement as it was taken, by document 004's fields; ``recorded_at`` is in epoch ms."""
    told = record.properties
    more = told.get("additional_data")
    metric_type = told.get("metric_type")
    others = {name: each for name, each in told.items() if name not in _READ and not name.startswith("$")}
    numbers = {name: _number(told.get(name)) for name in _NUMBERS}
    status = numbers["status_code"]
    numbers["status_code"] = None if status is None or status % 1 else int(status)
    return {
        **{name: each if isinstance(each := told.get(name), str) else None for name in _TEXTS},
        "metric_type": metric_type if isinstance(metric_type, str) else "",
        "value": _number(told.get("value")),
        **numbers,
        "additional_data": {**others, **(more if isinstance(more, dict) else {})},
        "recorded_at": epoch_ms(record.at),
    }


def corrected(record: Record, corrections: Corrected) -> dict[str, Any] | None:
    """The same with what overrides it; None where it was deleted."""
    item = corrections.get(record.id)
    if item is None:
        return recorded(record)
    return None if item.body.deleted else {**recorded(record), **item.body.values}


def _number(given: object) -> float | None:
    """As the store reads it: a finite number, or text of one."""
    try:
        number = nan if isinstance(given, bool) else float(given)  # type: ignore[arg-type]  # whatever it is
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None
