"""The journal of kept values: which of them became others, by which run of a task, in ``metric_changes``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import pyarrow as pa

from loopin_schemas.metrics import Grain
from loopin_sinks.store import Store

METRIC_CHANGES: Final = "metric_changes"

_S, _MS = pa.timestamp("s", "UTC"), pa.timestamp("ms", "UTC")
_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("run", pa.string(), nullable=False),
        pa.field("metric", pa.string(), nullable=False),
        pa.field("grain", pa.string(), nullable=False),
        pa.field("start", _S, nullable=False),
        pa.field("until", _S, nullable=False),
        pa.field("known", pa.bool_(), nullable=False),
        pa.field("before", pa.float64()),
        pa.field("after", pa.float64()),
        pa.field("at", _MS, nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class Change:
    """A value that is another one now; ``known`` says whether one was kept, which may have been null."""

    metric: str
    grain: Grain
    start: datetime
    end: datetime
    known: bool
    before: float | None
    after: float | None


async def note_changes(store: Store, project: str, run: str, changes: Sequence[Change], at: datetime) -> None:
    """Tell the journal, before the values are kept: one told and not kept is told again by the next run.

    Raises:
        StoreError: the store did not take it.
    """
    rows = [
        {
            "project": project,
            "run": run,
            "metric": each.metric,
            "grain": each.grain,
            "start": each.start,
            "until": each.end,
            "known": each.known,
            "before": each.before,
            "after": each.after,
            "at": at,
        }
        for each in changes
    ]
    if rows:
        table = pa.Table.from_pylist(rows, schema=_SCHEMA)
        await store.insert(METRIC_CHANGES, table, token=str(uuid4()))


async def changes_of(store: Store, project: str, run: str, limit: int) -> tuple[int, list[Change]]:
    """How many values a run made others, and the first of them. Raises StoreError."""
    rows = await store.query(
        f"""
        SELECT metric, grain, start, newest.1 AS until, newest.2 AS known, newest.3 AS before,
            newest.4 AS after, count() OVER () AS changes
        FROM (
            SELECT metric, grain, start, argMax((until, known, before, after), at) AS newest
            FROM {METRIC_CHANGES} WHERE project = {{project:String}} AND run = {{run:String}}
            GROUP BY metric, grain, start
        )
        ORDER BY metric, indexOf(['hour', 'day', 'week', 'month'], grain), start LIMIT {{limit:UInt32}}
        """,
        {"project": project, "run": run, "limit": limit},
    )
    return (rows[0]["changes"] if rows else 0), [_change(row) for row in rows]


def _change(row: dict[str, Any]) -> Change:
    return Change(
        row["metric"],
        row["grain"],
        row["start"],
        row["until"],
        row["known"],
        row["before"],
        row["after"],
    )
