"""The table ``metric_values``: a value a metric and period, whole series only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple
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
        pa.field("people", pa.string(), nullable=False),
    ]
)


class Terms(NamedTuple):
    """By which rates a value was calculated, and without which people: another text for any others.

    ``""`` for none; ``rates`` also where the metric does not depend on them.
    """

    rates: str = ""
    people: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """A value as it was calculated last, None where there was none, and on which terms."""

    value: float | None
    calculated_at: datetime
    terms: Terms = Terms()


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


def terms_of(scope: Scope, metric: Metric) -> Terms:
    """On which terms a metric is calculated now."""
    return Terms(_rates(scope) if in_money(metric.definition) else "", _people(scope))


async def kept_values(
    store: Store, scope: Scope, metrics: Sequence[Metric], grain: Grain, start: datetime, end: datetime
) -> dict[tuple[str, int], Kept]:
    """What is kept of periods that begin in [start, end), by kept name and start in epoch ms.

    That is in the days and the money of the scope; what was calculated on other terms is told as it is.

    Raises:
        StoreError: the store did not answer, or they are more than one query may return.
    """
    # In a tuple, because argMax passes over nulls that stand alone, and a value may have become null.
    rows = await store.query(
        f"""
        SELECT metric, start, argMax((value, rates, people), calculated_at) AS newest,
            max(calculated_at) AS at
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
        (row["metric"], epoch_ms(row["start"])): Kept(row["newest"][0], row["at"], Terms(*row["newest"][1:]))
        for row in rows
    }


async def calculated(
    store: Store, scope: Scope, metrics: Sequence[Metric], grain: Grain, start: datetime, end: datetime
) -> dict[str, dict[int, int]]:
    """When what is kept of periods that begin in [start, end) was calculated, epoch ms.

    By kept name and start in epoch ms; in the days and the money of the scope, by its rates and without its
    people. Raises StoreError.
    """
    # In arrays: as rows they would be more than one query may return.
    rows = await store.query(
        f"""
        SELECT metric, groupArray(at) AS starts, groupArray(calculated) AS times
        FROM (
            SELECT metric, toUnixTimestamp(start) AS at,
                toUnixTimestamp64Milli(max(calculated_at)) AS calculated,
                argMax((rates, people), calculated_at) AS terms
            FROM {METRIC_VALUES}
            WHERE project = {{project:String}} AND metric IN {{metrics:Array(String)}} AND {_OF_SCOPE}
                AND grain = {{grain:String}}
                AND start >= {{start:DateTime64(3, 'UTC')}} AND start < {{end:DateTime64(3, 'UTC')}}
            GROUP BY metric, at
        )
        WHERE terms.1 = if(metric IN {{money:Array(String)}}, {{rates:String}}, '')
            AND terms.2 = {{people:String}}
        GROUP BY metric
        """,
        {
            **_bound(scope, metrics),
            "metrics": [kept_name(metric) for metric in metrics],
            "grain": grain,
            "start": start,
            "end": end,
            "rates": _rates(scope),
            "people": _people(scope),
        },
    )
    return {
        row["metric"]: {at * 1000: time for at, time in zip(row["starts"], row["times"], strict=True)}
        for row in rows
    }


async def kept_series(
    store: Store, scope: Scope, metrics: Sequence[Metric], grain: Grain, start: datetime, end: datetime
) -> dict[str, list[tuple[int, float, int]]]:
    """The values of periods that begin in [start, end), in order, those that are null left out.

    By kept name: start of the period, value, and when it was calculated, times in epoch ms; in the days and
    the money of the scope, by its rates and without its people. Raises StoreError.
    """
    # In arrays: as rows they would be more than one query may return.
    rows = await store.query(
        f"""
        SELECT metric, arraySort(groupArray((at, assumeNotNull(newest.1), calculated))) AS points
        FROM (
            SELECT metric, toUnixTimestamp(start) AS at,
                toUnixTimestamp64Milli(max(calculated_at)) AS calculated,
                argMax((value, rates, people), calculated_at) AS newest
            FROM {METRIC_VALUES}
            WHERE project = {{project:String}} AND metric IN {{metrics:Array(String)}} AND {_OF_SCOPE}
                AND grain = {{grain:String}}
                AND start >= {{start:DateTime64(3, 'UTC')}} AND start < {{end:DateTime64(3, 'UTC')}}
            GROUP BY metric, at
        )
        WHERE isNotNull(newest.1) AND newest.3 = {{people:String}}
            AND newest.2 = if(metric IN {{money:Array(String)}}, {{rates:String}}, '')
        GROUP BY metric
        """,
        {
            **_bound(scope, metrics),
            "metrics": [kept_name(metric) for metric in metrics],
            "grain": grain,
            "start": start,
            "end": end,
            "rates": _rates(scope),
            "people": _people(scope),
        },
    )
    return {
        row["metric"]: [(at * 1000, value, calculated) for at, value, calculated in row["points"]]
        for row in rows
    }


def _rates(scope: Scope) -> str:
    return _digest([(code, list(rates)) for code, rates in sorted(scope.rates.items())])


def _people(scope: Scope) -> str:
    return _digest(sorted(scope.internal))


def _digest(of: Sequence[object]) -> str:
    return hashlib.sha256(repr(of).encode()).hexdigest()[:8] if of else ""


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
    rates, people = _rates(scope), _people(scope)
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
            "rates": rates if in_money(each.metric.definition) else "",
            "people": people,
        }
        for each in values
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        await store.insert(METRIC_VALUES, table, token=str(uuid4()))
