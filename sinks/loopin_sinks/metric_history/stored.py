"""The table ``metric_values``: a value a metric and period, whole series only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import pyarrow as pa

from loopin_schemas.metrics import Grain, Metric
from loopin_schemas.metrics.definition import in_money
from loopin_sinks.metric_values.scope import Scope, epoch_ms
from loopin_sinks.store import Store

METRIC_VALUES: Final = "metric_values"

# Those without a zone are from before they had one: in days and money of what the processes are set to.
_OF_SCOPE: Final = """
    (zone = {zone:String} AND currency = if(metric IN {money:Array(String)}, {currency:String}, '')
    OR {as_set:Bool} AND zone = '')
"""

_MS = pa.timestamp("ms", "UTC")
_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("grain", pa.string(), nullable=False),
        pa.field("start", pa.timestamp("s", "UTC"), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("calculated_at", _MS, nullable=False),
        pa.field("_retention_days", pa.uint16(), nullable=False),
        pa.field("zone", pa.string(), nullable=False),
        pa.field("currency", pa.string(), nullable=False),
        pa.field("rates", pa.string(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A value as it was calculated last, None where there was none, and by which rates."""

    value: float | None
    calculated_at: datetime
    rates: str = ""


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value to keep, of the period that begins at ``start``."""

    metric: Metric
    grain: Grain
    start: datetime
    value: float | None
    calculated_at: datetime


def kept_name(metric: Metric) -> str:
    """Under which a metric's values are kept.

    One of a project's own may be deleted and its name given to another one, whose values these are not.
    """
    if metric.kind != "custom":
        return metric.name
    return f"{metric.name}~{hashlib.sha256(repr(metric.definition).encode()).hexdigest()[:8]}"


def rates_used(scope: Scope, metric: Metric) -> str:
    """Another text for any other rates; ``""`` without any, and where the metric does not depend on them."""
    return _digest(scope) if in_money(metric.definition) else ""


async def kept_values(
    store: Store, scope: Scope, metrics: Sequence[Metric], grain: Grain, start: datetime, end: datetime
) -> dict[tuple[str, int], Kept]:
    """What is kept of periods that begin in [start, end), by kept name and start in epoch ms.

    That is in the days and the money of the scope; what was calculated by other rates is told as it is.

    Raises:
        StoreError: the store did not answer, or they are more than one query may return.
    """
    # In a tuple, because argMax passes over nulls that stand alone, and a value may have become null.
    rows = await store.query(
        f"""
        SELECT metric, start, argMax((value, rates), calculated_at) AS newest, max(calculated_at) AS at
        FROM {METRIC_VALUES}
        WHERE project = {{project:String}} AND metric IN {{metrics:Array(String)}} AND {_OF_SCOPE}
            AND grain = {{grain:String}}
            AND start >= {{start:DateTime64(3, 'UTC')}} AND start < {{end:DateTime64(3, 'UTC')}}
        GROUP BY metric, start
        """,
        {
            **_bound(scope, metrics),
            "metrics": [kept_name(metric) for metric in metrics],
            "grain": grain,
            "start": start,
            "end": end,
        },
    )
    return {
        (row["metric"], epoch_ms(row["start"])): Kept(row["newest"][0], row["at"], row["newest"][1])
        for row in rows
    }


async def last_kept(
    store: Store, scope: Scope, metrics: Sequence[Metric]
) -> dict[tuple[str, Grain], datetime]:
    """Start of the last period that is kept, by a metric's kept name and grain.

    That is in the days, the money and by the rates of the scope. Raises StoreError.
    """
    rows = await store.query(
        f"""
        SELECT metric, grain, max(start) AS last FROM {METRIC_VALUES}
        WHERE project = {{project:String}} AND {_OF_SCOPE}
            AND rates = if(metric IN {{money:Array(String)}}, {{rates:String}}, '')
        GROUP BY metric, grain
        """,
        {**_bound(scope, metrics), "rates": _digest(scope)},
    )
    return {(row["metric"], row["grain"]): row["last"] for row in rows}


def _digest(scope: Scope) -> str:
    if not scope.rates:
        return ""
    table = [(code, list(rates)) for code, rates in sorted(scope.rates.items())]
    return hashlib.sha256(repr(table).encode()).hexdigest()[:8]


def _bound(scope: Scope, metrics: Iterable[Metric]) -> dict[str, object]:
    return {
        "project": scope.project,
        "zone": scope.zone_name,
        "currency": scope.currency,
        "money": [kept_name(metric) for metric in metrics if in_money(metric.definition)],
        "as_set": scope.as_set,
    }


async def keep(store: Store, scope: Scope, values: Iterable[NewValue]) -> None:
    """Keep values in place of former ones. Raises StoreError."""
    rows = [
        {
            "project": scope.project,
            "metric": kept_name(each.metric),
            "grain": each.grain,
            "start": each.start,
            "value": each.value,
            "calculated_at": each.calculated_at,
            "_retention_days": scope.retention.of(each.grain),
            "zone": scope.zone_name,
            "currency": scope.currency if in_money(each.metric.definition) else "",
            "rates": rates_used(scope, each.metric),
        }
        for each in values
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        await store.insert(METRIC_VALUES, table, token=str(uuid4()))
