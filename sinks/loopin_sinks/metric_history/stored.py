"""The table ``metric_values``: a value a metric and period, whole series only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

import pyarrow as pa

from loopin_schemas.metrics import Grain, Metric
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.store import Store
from loopin_sinks.window_rows import DAILY_DAYS, HOURLY_DAYS

METRIC_VALUES: Final = "metric_values"

KEPT_DAYS: Final[dict[Grain, int]] = {
    "hour": HOURLY_DAYS,
    "day": DAILY_DAYS,
    "week": DAILY_DAYS,
    "month": DAILY_DAYS,
}
"""Days that values are kept, from the start of their period on (document B)."""

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
    ]
)


@dataclass(frozen=True, slots=True)
class Kept:
    """A value as it was calculated last; None where there was none."""

    value: float | None
    calculated_at: datetime


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value to keep, of the period that begins at ``start``."""

    metric: str
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


async def kept_values(
    store: Store, project: str, metrics: Iterable[Metric], grain: Grain, start: datetime, end: datetime
) -> dict[tuple[str, int], Kept]:
    """What is kept of periods that begin in [start, end), by kept name and start in epoch ms.

    Raises:
        StoreError: the store did not answer, or they are more than one query may return.
    """
    # In a tuple, because argMax passes over nulls that stand alone, and a value may have become null.
    rows = await store.query(
        f"""
        SELECT metric, start, argMax(tuple(value), calculated_at).1 AS newest, max(calculated_at) AS at
        FROM {METRIC_VALUES}
        WHERE project = {{project:String}} AND metric IN {{metrics:Array(String)}}
            AND grain = {{grain:String}}
            AND start >= {{start:DateTime64(3, 'UTC')}} AND start < {{end:DateTime64(3, 'UTC')}}
        GROUP BY metric, start
        """,
        {
            "project": project,
            "metrics": [kept_name(metric) for metric in metrics],
            "grain": grain,
            "start": start,
            "end": end,
        },
    )
    return {(row["metric"], epoch_ms(row["start"])): Kept(row["newest"], row["at"]) for row in rows}


async def calculated(
    store: Store, project: str, grain: Grain, start: datetime, end: datetime
) -> dict[str, dict[int, int]]:
    """When what is kept of periods that begin in [start, end) was calculated, epoch ms.

    By kept name and start in epoch ms. Raises StoreError.
    """
    # In arrays: as rows they would be more than one query may return.
    rows = await store.query(
        f"""
        SELECT metric, groupArray(at) AS starts, groupArray(calculated) AS times
        FROM (
            SELECT metric, toUnixTimestamp(start) AS at,
                toUnixTimestamp64Milli(max(calculated_at)) AS calculated
            FROM {METRIC_VALUES}
            WHERE project = {{project:String}} AND grain = {{grain:String}}
                AND start >= {{start:DateTime64(3, 'UTC')}} AND start < {{end:DateTime64(3, 'UTC')}}
            GROUP BY metric, at
        )
        GROUP BY metric
        """,
        {"project": project, "grain": grain, "start": start, "end": end},
    )
    return {
        row["metric"]: {at * 1000: time for at, time in zip(row["starts"], row["times"], strict=True)}
        for row in rows
    }


async def keep(store: Store, project: str, values: Iterable[NewValue]) -> None:
    """Keep values in place of former ones. Raises StoreError."""
    rows = [
        {
            "project": project,
            "metric": each.metric,
            "grain": each.grain,
            "start": each.start,
            "value": each.value,
            "calculated_at": each.calculated_at,
            "_retention_days": KEPT_DAYS[each.grain],
        }
        for each in values
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        await store.insert(METRIC_VALUES, table, token=str(uuid4()))
