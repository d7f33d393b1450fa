"""The table ``insights``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
import pyarrow as pa

from loopin_schemas.insight import Evidence, Insight
from loopin_sinks.insights.marks import DISMISSED
from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.store import Store

INSIGHTS: Final = "insights"

MOST: Final = 10_000
"""Most insights of a project that are of interest at a time."""

_MS = pa.timestamp("ms", "UTC")
_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("insight_type", pa.string(), nullable=False),
        pa.field("target_type", pa.string(), nullable=False),
        pa.field("target_id", pa.string(), nullable=False),
        pa.field("title", pa.string(), nullable=False),
        pa.field("description", pa.string(), nullable=False),
        pa.field("confidence_score", pa.float64(), nullable=False),
        pa.field("is_actionable", pa.bool_(), nullable=False),
        pa.field("suggested_actions", pa.list_(pa.string()), nullable=False),
        pa.field("priority", pa.string(), nullable=False),
        pa.field("evidence", pa.string(), nullable=False),
        pa.field("created_at", _MS, nullable=False),
        pa.field("expires_at", _MS, nullable=False),
        pa.field("withdrawn", pa.bool_(), nullable=False),
        pa.field("version", pa.uint64(), nullable=False),
    ]
)

_OPEN: Final = """
SELECT * FROM insights FINAL
WHERE project = {project:String} AND NOT withdrawn
    AND created_at <= {at:DateTime64(3, 'UTC')} AND expires_at > {at:DateTime64(3, 'UTC')}
"""

OPEN_IDS: Final = _OPEN.replace("SELECT *", "SELECT id", 1)
"""In SQL, the ids of a project's insights that are of interest at a time."""

TOLD: Final = """
    SELECT * FROM insights FINAL
    WHERE project = {project:String} AND startsWith(id, {told:String}) AND NOT withdrawn
"""
"""In SQL, the insights whose ids begin so and that were not withdrawn, whether or not they have expired.

Of those who have crossed a threshold that is the memory: they are told of again only after they were
withdrawn, as they are when they have gone back.
"""

_TOLD_SINCE: Final = """
    SELECT count() AS number FROM insights FINAL
    WHERE project = {project:String} AND startsWith(id, {told:String})
        AND created_at >= {since:DateTime64(3, 'UTC')}
"""

_URGENT_FIRST: Final = """
ORDER BY indexOf(['critical', 'high', 'medium', 'low'], priority), created_at DESC, id
"""


async def open_insights(store: Store, project: str, at: datetime) -> list[Insight]:
    """Those that were of interest at a time, most urgent first, then newest; dismissed ones, too.

    Raises:
        StoreError: the store did not answer.
    """
    rows = await store.query(
        f"{_OPEN} {_URGENT_FIRST} LIMIT {{most:UInt32}}", {"project": project, "at": at, "most": MOST}
    )
    return [insight_of(row) for row in rows]


async def top_insights(store: Store, project: str, at: datetime, most: int) -> list[Insight]:
    """The first of them that nobody has dismissed, one only of each type and target, and of users, of whom a
    hundred may be alike, of each type and metric. Raises StoreError."""
    rows = await store.query(
        f"{_OPEN} AND id NOT IN ({DISMISSED}) {_URGENT_FIRST} "
        "LIMIT 1 BY insight_type, target_type, "
        "if(target_type = 'user', JSONExtractString(evidence, 'metric'), target_id) LIMIT {most:UInt32}",
        {"project": project, "at": at, "most": most},
    )
    return [insight_of(row) for row in rows]


def every(insight: Insight) -> bool:
    """All insights are looked for."""
    return True


async def replace(
    store: Store,
    project: str,
    found: Iterable[Insight],
    now: datetime,
    looked_for: Callable[[Insight], bool] = every,
    before: Iterable[Insight] | None = None,
) -> int:
    """Keep what is found now: new ones are added, what is found no longer is withdrawn; how many rows.

    Only those are withdrawn that were ``looked_for``, and open ``before`` the look began: what another task
    has found meanwhile stays. Without ``before``, that is now.

    Raises:
        StoreError: the store did not answer.
    """
    opened = await open_insights(store, project, now) if before is None else before
    known = {each.id: each for each in opened if looked_for(each)}
    after = {each.id: each for each in found}
    changed = [
        each
        for each in (
            msgspec.structs.replace(each, created_at=known[each.id].created_at) if each.id in known else each
            for each in after.values()
        )
        if each != known.get(each.id)
    ]
    gone = [each for each in known.values() if each.id not in after]
    rows = [*_rows(changed, False, now), *_rows(gone, True, now)]
    if rows:
        await store.insert(INSIGHTS, pa.Table.from_pylist(rows, schema=_SCHEMA), token=str(uuid4()))
    return len(rows)


async def told_since(store: Store, project: str, told: str, since: datetime) -> int:
    """How many whose ids begin so were found since, also those that were withdrawn. Raises StoreError."""
    [row] = await store.query(_TOLD_SINCE, {"project": project, "told": told, "since": since})
    return int(row["number"])


async def withdraw(store: Store, gone: Sequence[Insight], now: datetime) -> None:
    """Say that these hold no longer, also those that have expired. Raises StoreError."""
    if gone:
        table = pa.Table.from_pylist(_rows(gone, True, now), schema=_SCHEMA)
        await store.insert(INSIGHTS, table, token=str(uuid4()))


def _rows(insights: Sequence[Insight], withdrawn: bool, now: datetime) -> list[dict[str, Any]]:
    return [
        {
            **msgspec.structs.asdict(each),
            "evidence": msgspec.json.encode(each.evidence).decode(),
            "withdrawn": withdrawn,
            "version": epoch_ms(now),
        }
        for each in insights
    ]


def insight_of(row: Mapping[str, Any]) -> Insight:
    """From a row of the table."""
    kept = {name: row[name] for name in Insight.__struct_fields__}
    return msgspec.convert(
        {
            **kept,
            "suggested_actions": tuple(row["suggested_actions"]),
            "evidence": msgspec.json.decode(row["evidence"], type=Evidence),
            "created_at": epoch_ms(row["created_at"]),
            "expires_at": epoch_ms(row["expires_at"]),
        },
        Insight,
    )
