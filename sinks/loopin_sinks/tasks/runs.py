"""What became of the runs of tasks, kept in the table ``task_runs`` for 90 days."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal
from uuid import uuid4

import pyarrow as pa

from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.store import Store

TASK_RUNS: Final = "task_runs"

State = Literal["requested", "running", "cancelling", "interrupted", "cancelled", "failed", "done"]

VERSIONS: Final[dict[State, int]] = {
    "requested": 1,
    "running": 2,
    "cancelling": 3,
    "interrupted": 4,
    "cancelled": 4,
    "failed": 5,
    "done": 5,
}
"""Each state outranks the former ones: if who seemed to be gone was not, the end that it tells counts."""

OPEN: Final[tuple[State, ...]] = ("requested", "running", "cancelling")
"""States of runs that have not ended, as far as anybody has told."""

_MS = pa.timestamp("ms", "UTC")
_SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("schedule", pa.string(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("arguments", pa.string(), nullable=False),
        pa.field("by", pa.string(), nullable=False),
        pa.field("scheduled_for", _MS),
        pa.field("asked_at", _MS, nullable=False),
        pa.field("started_at", _MS),
        pa.field("ended_at", _MS),
        pa.field("state", pa.string(), nullable=False),
        pa.field("rows", pa.uint64(), nullable=False),
        pa.field("error", pa.string(), nullable=False),
        pa.field("done", pa.uint64(), nullable=False),
        pa.field("total", pa.uint64(), nullable=False),
        pa.field("told_at", _MS, nullable=False),
        pa.field("version", pa.uint8(), nullable=False),
    ]
)


def _newest(where: str = "true") -> str:
    """The last state of each run; ``where`` is about what all its rows have in common."""
    # In a tuple, because an aggregate function passes over the nulls that stand alone.
    return f"""
        SELECT id, schedule, newest.1 AS task, newest.2 AS arguments, newest.3 AS by,
            newest.4 AS scheduled_for, newest.5 AS asked_at, newest.6 AS started_at, newest.7 AS ended_at,
            newest.8 AS state, newest.9 AS rows, newest.10 AS error, newest.11 AS done, newest.12 AS total,
            newest.13 AS told_at
        FROM (
            SELECT id, schedule, argMax((task, arguments, by, scheduled_for, asked_at, started_at, ended_at,
                state, rows, error, done, total, told_at), (version, told_at)) AS newest
            FROM {TASK_RUNS} WHERE {where} GROUP BY schedule, id
        )
    """


@dataclass(frozen=True, slots=True)
class Run:
    """A run of a task: times are aware, ``rows`` is how many it wrote, ``error`` one sentence or ``""``.

    ``scheduled_for`` is when it was due; None where somebody asked for it, whom ``by`` names. ``done`` of
    ``total`` is how far it has come by ``told_at``, when its process last told anything of it.
    """

    id: str
    schedule: str
    task: str
    by: str
    asked_at: datetime
    scheduled_for: datetime | None = None
    arguments: str = "{}"
    started_at: datetime | None = None
    ended_at: datetime | None = None
    state: State = "requested"
    rows: int = 0
    error: str = ""
    done: int = 0
    total: int = 0
    told_at: datetime | None = field(default=None, compare=False)


def new_id(now: datetime) -> str:
    """An id that begins with the time, so that runs of late lie together in the store."""
    return f"{epoch_ms(now):012x}{uuid4().hex[:20]}"


async def store_run(store: Store, *runs: Run) -> None:
    """Keep what runs have come to.

    Raises:
        StoreError: nothing was kept.
    """
    rows = [
        {
            **{name: getattr(run, name) for name in _SCHEMA.names[:-1]},
            "told_at": run.ended_at or run.told_at or run.started_at or run.asked_at,
            "version": VERSIONS[run.state],
        }
        for run in runs
    ]
    if rows:
        await store.insert(TASK_RUNS, pa.Table.from_pylist(rows, schema=_SCHEMA), token=str(uuid4()))


async def find_run(store: Store, id: str) -> Run | None:
    """The run of this id. Raises StoreError."""
    found = await _runs(store, "", {"id": id}, "id = {id:String}")
    return found[0] if found else None


async def newest_runs(store: Store, schedule: str | None, limit: int) -> list[Run]:
    """The runs that were begun or asked for last, newest first; of one schedule or all. Raises StoreError."""
    of_one = "" if schedule is None else "WHERE schedule = {schedule:String}"
    return await _runs(
        store,
        f"{of_one} ORDER BY asked_at DESC, id DESC LIMIT {{limit:UInt32}}",
        {"schedule": schedule or "", "limit": limit},
    )


async def last_runs(store: Store) -> dict[str, Run]:
    """The newest run of each schedule. Raises StoreError."""
    found = await _runs(store, "ORDER BY asked_at DESC, id DESC LIMIT 1 BY schedule", {})
    return {run.schedule: run for run in found}


async def open_runs(store: Store, since: datetime) -> list[Run]:
    """Those that have not ended, of the runs asked for since, in the order of asking. Raises StoreError."""
    return await _runs(
        store,
        "WHERE state IN {open:Array(String)} ORDER BY asked_at, id",
        {"open": list(OPEN), "since": since},
        "asked_at >= {since:DateTime64(3, 'UTC')}",
    )


async def last_due(store: Store, tries: int) -> dict[str, datetime]:
    """For each schedule the last time it was due that need not be tried again.

    It has been made, with or without success, was cancelled, or has been broken off so many times. Raises
    StoreError.
    """
    rows = await store.query(
        f"""
        SELECT schedule, max(scheduled_for) AS due FROM (
            SELECT schedule, scheduled_for FROM ({_newest()}) WHERE isNotNull(scheduled_for)
            GROUP BY schedule, scheduled_for
            HAVING countIf(state IN ('done', 'failed', 'cancelled')) > 0
                OR countIf(state = 'interrupted') >= {{tries:UInt32}}
        )
        GROUP BY schedule
        """,
        {"tries": tries},
    )
    return {row["schedule"]: row["due"] for row in rows}


async def _runs(store: Store, which: str, parameters: dict[str, object], where: str = "true") -> list[Run]:
    return [Run(**row) for row in await store.query(f"SELECT * FROM ({_newest(where)}) {which}", parameters)]
