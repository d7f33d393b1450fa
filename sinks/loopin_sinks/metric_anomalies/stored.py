"""The table ``metric_anomalies``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa

from loopin_schemas.metrics import Grain, Metric
from loopin_sinks.metric_anomalies.found import MetricAnomaly
from loopin_sinks.metric_history.stored import kept_name
from loopin_sinks.metric_values.scope import Scope, epoch_ms, from_epoch_ms
from loopin_sinks.store import Store

METRIC_ANOMALIES: Final = "metric_anomalies"

LATEST: Final = timedelta(days=97)
"""Some values are known so long after their period, and are of interest for a week from then on."""

_MS = pa.timestamp("ms", "UTC")
_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("grain", pa.string(), nullable=False),
        pa.field("start", pa.timestamp("s", "UTC"), nullable=False),
        *(
            pa.field(name, pa.float64(), nullable=False)
            for name in ("value", "expected", "low", "high", "score", "confidence")
        ),
        pa.field("compared", pa.uint32(), nullable=False),
        pa.field("calculated_at", _MS, nullable=False),
        pa.field("found_at", _MS, nullable=False),
        pa.field("withdrawn", pa.bool_(), nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("_retention_days", pa.uint16(), nullable=False),
    ]
)


async def kept_anomalies(
    store: Store, project: str, metrics: Sequence[Metric], since: datetime, until: datetime
) -> list[MetricAnomaly]:
    """Those that hold of these metrics, of periods that begin in [since, until), by metric, grain and start.

    They are kept as values are: a project's own is told by its definition, too, as its name may be given to
    another one.

    Raises:
        StoreError: the store did not answer.
    """
    names = {kept_name(metric): metric.name for metric in metrics}
    rows = await store.query(
        f"""
        SELECT * FROM {METRIC_ANOMALIES} FINAL
        WHERE project = {{project:String}} AND metric IN {{metrics:Array(String)}} AND NOT withdrawn
            AND start >= {{since:DateTime64(3, 'UTC')}} AND start < {{until:DateTime64(3, 'UTC')}}
        ORDER BY metric, grain, start
        """,
        {"project": project, "metrics": list(names), "since": since, "until": until},
    )
    return [_anomaly({**row, "metric": names[row["metric"]]}) for row in rows]


async def replace(
    store: Store,
    scope: Scope,
    metrics: Sequence[Metric],
    found: Iterable[MetricAnomaly],
    judged: Mapping[tuple[str, Grain], int],
    before: Collection[MetricAnomaly],
) -> int:
    """Keep what is found now in place of what was found ``before``; how many rows were written.

    All is of these ``metrics``. ``judged`` has from when on (epoch ms) each of them was judged anew: what was
    found of that time and is found no longer is withdrawn, and so is all of those that are judged no more.
    The same again writes nothing.

    Raises:
        StoreError: the store did not answer.
    """
    known = {_place(each): each for each in before}
    now = {_place(each): each for each in found}
    changed = [
        msgspec.structs.replace(
            each, found_at=known[place].found_at if place in known else epoch_ms(scope.now)
        )
        for place, each in now.items()
    ]
    changed = [each for each in changed if each != known.get(_place(each))]
    gone = [
        each
        for place, each in known.items()
        if place not in now and each.start >= judged.get((each.metric, each.grain), each.start)
    ]
    names = {metric.name: kept_name(metric) for metric in metrics}
    rows = [
        _row(scope, names[each.metric], each, withdrawn=withdrawn)
        for withdrawn, some in ((False, changed), (True, gone))
        for each in some
    ]
    if rows:
        await store.insert(METRIC_ANOMALIES, pa.Table.from_pylist(rows, schema=_SCHEMA), token=str(uuid4()))
    return len(rows)


def _place(of: MetricAnomaly) -> tuple[str, Grain, int]:
    return of.metric, of.grain, of.start


def _row(scope: Scope, metric: str, of: MetricAnomaly, *, withdrawn: bool) -> dict[str, Any]:
    return {
        **msgspec.structs.asdict(of),
        "project": scope.project,
        "metric": metric,
        "start": from_epoch_ms(of.start),
        "calculated_at": from_epoch_ms(of.calculated_at),
        "found_at": from_epoch_ms(of.found_at),
        "withdrawn": withdrawn,
        "revision": epoch_ms(scope.now),
        "_retention_days": scope.retention.of(of.grain),
    }


def _anomaly(row: Mapping[str, Any]) -> MetricAnomaly:
    times = {name: epoch_ms(row[name]) for name in ("start", "calculated_at", "found_at")}
    return MetricAnomaly(**{name: row[name] for name in MetricAnomaly.__struct_fields__} | times)
