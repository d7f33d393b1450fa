"""Windows as rows of the tables ``metric_windows`` and ``window_repairs``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from decimal import Context, Decimal
from typing import NamedTuple

import pyarrow as pa

from loopin_schemas.window import Grain, MetricWindow
from loopin_streams.projects.project import Retention

METRIC_WINDOWS = "metric_windows"
WINDOW_REPAIRS = "window_repairs"

_MS = pa.timestamp("ms", "UTC")
_S = pa.timestamp("s", "UTC")
_EXACT = pa.decimal128(38, 6)
_DIGITS = Context(prec=38)

WINDOWS_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("dimension", pa.string(), nullable=False),
        pa.field("dimension_value", pa.string(), nullable=False),
        pa.field("grain", pa.string(), nullable=False),
        pa.field("start", _S, nullable=False),
        pa.field("count", pa.uint64(), nullable=False),
        pa.field("sum", _EXACT),
        pa.field("min", _EXACT),
        pa.field("max", _EXACT),
        pa.field("closed", pa.bool_(), nullable=False),
        pa.field("basis", pa.string(), nullable=False),
        pa.field("revision", pa.uint64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
        pa.field("_retention_days", pa.uint16(), nullable=False),
    ]
)

REPAIRS_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("grain", pa.string(), nullable=False),
        pa.field("start", _S, nullable=False),
        pa.field("outcome", pa.string(), nullable=False),
        pa.field("version", pa.uint64(), nullable=False),
        pa.field("_stored_at", _MS, nullable=False),
    ]
)


class WindowRef(NamedTuple):
    """One project's window, by its start in epoch ms."""

    project: str
    grain: Grain
    start: int


def windows_to_arrow(
    windows: Collection[MetricWindow], retention: Callable[[str], Retention], stored_at_ms: int
) -> pa.Table:
    """Rows of ``WINDOWS_SCHEMA``; ``retention`` gives the days that a project's windows are kept."""
    columns: tuple[Sequence[object], ...] = (
        [w.project for w in windows],
        [w.metric for w in windows],
        [w.dimension for w in windows],
        [w.value for w in windows],
        [w.grain for w in windows],
        [w.start // 1000 for w in windows],
        [w.count for w in windows],
        [_exact(w.sum) for w in windows],
        [_exact(w.min) for w in windows],
        [_exact(w.max) for w in windows],
        [w.closed for w in windows],
        [w.basis for w in windows],
        [w.revision for w in windows],
        [stored_at_ms] * len(windows),
        [retention(w.project).of(w.grain) for w in windows],
    )
    return _table(columns, WINDOWS_SCHEMA)


def repairs_to_arrow(
    windows: Iterable[WindowRef], outcome: str, versions: Sequence[int], stored_at_ms: int
) -> pa.Table:
    """Rows of ``REPAIRS_SCHEMA``, one a window; ``outcome`` is ``""`` for a request."""
    refs = list(windows)
    columns: tuple[Sequence[object], ...] = (
        [ref.project for ref in refs],
        [ref.grain for ref in refs],
        [ref.start // 1000 for ref in refs],
        [outcome] * len(refs),
        versions,
        [stored_at_ms] * len(refs),
    )
    return _table(columns, REPAIRS_SCHEMA)


def _table(columns: Sequence[Sequence[object]], schema: pa.Schema) -> pa.Table:
    arrays = [pa.array(values, type=field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)


def _exact(millionths: int | None) -> Decimal | None:
    return None if millionths is None else Decimal(millionths).scaleb(-6, _DIGITS)
