"""The tables ``forecasts`` and ``forecast_runs``: each forecast that was made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa

from loopin_schemas.metrics import Metric
from loopin_schemas.metrics.definition import in_money
from loopin_sinks.forecasts.made import ExpectedDay, Made
from loopin_sinks.metric_history.stored import kept_name
from loopin_sinks.metric_values.scope import Scope, epoch_ms, from_epoch_ms
from loopin_sinks.store import Store

FORECASTS: Final = "forecasts"
FORECAST_RUNS: Final = "forecast_runs"

_MS, _S = pa.timestamp("ms", "UTC"), pa.timestamp("s", "UTC")
_OF = [
    pa.field("project", pa.string(), nullable=False),
    pa.field("metric", pa.string(), nullable=False),
    pa.field("zone", pa.string(), nullable=False),
    pa.field("currency", pa.string(), nullable=False),
    pa.field("made_at", _MS, nullable=False),
]
_DAYS = pa.schema(
    [
        *_OF,
        pa.field("day", _S, nullable=False),
        pa.field("value", pa.float64(), nullable=False),
        *(pa.field(name, pa.float64()) for name in ("low_80", "high_80", "low_95", "high_95")),
        pa.field("method", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_version", pa.string(), nullable=False),
        pa.field("mase", pa.float64()),
        pa.field("_retention_days", pa.uint16(), nullable=False),
    ]
)
_RUNS = pa.schema([*_OF, pa.field("body", pa.string(), nullable=False)])

_OF_SCOPE: Final = """
    project = {project:String} AND metric IN {metrics:Array(String)} AND zone = {zone:String}
    AND currency = if(metric IN {money:Array(String)}, {currency:String}, '')
"""


class Told(msgspec.Struct, frozen=True):
    """What a forecast said of one day, when it was made (epoch ms), and by which version of the models."""

    made_at: int
    model_version: str
    day: ExpectedDay


async def keep_forecast(store: Store, scope: Scope, metric: Metric, made: Made) -> int:
    """Keep a forecast beside all former ones; how many days it is of. Raises StoreError."""
    of = {
        "project": scope.project,
        "metric": kept_name(metric),
        "zone": scope.zone_name,
        "currency": scope.currency if in_money(metric.definition) else "",
        "made_at": from_epoch_ms(made.made_at),
    }
    run = {**of, "body": msgspec.json.encode(made).decode()}
    if made.points:
        days = [{**of, **_row(scope, made, day)} for day in made.points]
        await store.insert(FORECASTS, pa.Table.from_pylist(days, schema=_DAYS), token=str(uuid4()))
    await store.insert(FORECAST_RUNS, pa.Table.from_pylist([run], schema=_RUNS), token=str(uuid4()))
    return len(made.points)


def _row(scope: Scope, made: Made, day: ExpectedDay) -> dict[str, Any]:
    told = msgspec.structs.asdict(day)
    return {
        "day": from_epoch_ms(told.pop("at")),
        **told,
        "method": made.method,
        "model": made.model,
        "model_version": made.model_version,
        "mase": None if made.tested is None else made.tested.mase,
        "_retention_days": scope.retention.daily,
    }


async def newest_forecast(store: Store, scope: Scope, metric: Metric) -> Made | None:
    """The last forecast that was made by now, in the zone and the money of the scope; None for none.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(
        f"""
        SELECT body FROM {FORECAST_RUNS}
        WHERE {_OF_SCOPE} AND made_at <= {{now:DateTime64(3, 'UTC')}} ORDER BY made_at DESC LIMIT 1
        """,
        {**_bound(scope, [metric]), "now": scope.now},
    )
    return msgspec.json.decode(rows[0]["body"], type=Made) if rows else None


async def forecasts_before(
    store: Store, scope: Scope, metrics: Sequence[Metric], until: datetime, oldest: timedelta
) -> Mapping[str, dict[int, Told]]:
    """By kept name and start of a day (epoch ms): what the last forecast made by then said of it.

    Metrics of which none was made in the time ``oldest`` before that are told by the first one made since.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(
        f"""
        SELECT metric, made_at, model_version, day, value, low_80, high_80, low_95, high_95
        FROM {FORECASTS} WHERE {_OF_SCOPE}
            AND (metric, made_at) IN (
                SELECT metric, if(countIf(made_at <= {{until:DateTime64(3, 'UTC')}}) > 0,
                    maxIf(made_at, made_at <= {{until:DateTime64(3, 'UTC')}}), min(made_at))
                FROM {FORECASTS} WHERE {_OF_SCOPE}
                    AND made_at > {{oldest:DateTime64(3, 'UTC')}} AND made_at <= {{now:DateTime64(3, 'UTC')}}
                GROUP BY metric
            )
        """,
        {**_bound(scope, metrics), "until": until, "oldest": until - oldest, "now": scope.now},
    )
    found: dict[str, dict[int, Told]] = defaultdict(dict)
    for row in rows:
        at = epoch_ms(row["day"])
        day = ExpectedDay(at, row["value"], row["low_80"], row["high_80"], row["low_95"], row["high_95"])
        found[row["metric"]][at] = Told(epoch_ms(row["made_at"]), row["model_version"], day)
    return found


def _bound(scope: Scope, metrics: Sequence[Metric]) -> dict[str, object]:
    return {
        "project": scope.project,
        "metrics": [kept_name(metric) for metric in metrics],
        "money": [kept_name(metric) for metric in metrics if in_money(metric.definition)],
        "zone": scope.zone_name,
        "currency": scope.currency,
    }
