"""The table ``insight_marks``: what people say of insights.

They are in the store, and not among what is configured, as acknowledgements of alerts are: these have to
reach the stream's rules, and go with their alert, while ratings are labels that are to be kept, one of each
person, and ids of insights may be longer than those of what is configured.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import uuid4

import pyarrow as pa

from loopin_sinks.store import Store

INSIGHT_MARKS: Final = "insight_marks"

MOST: Final = 10_000
"""Most dismissed insights of a project that are left out; those dismissed last."""

MarkKind = Literal["dismissed", "rated"]

DISMISSED: Final = """
    SELECT id FROM insight_marks WHERE project = {project:String} AND mark = 'dismissed'
"""
"""In SQL, the ids of a project's insights that somebody has dismissed."""

_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("id", pa.string(), nullable=False),
        pa.field("mark", pa.string(), nullable=False),
        pa.field("by", pa.string(), nullable=False),
        pa.field("useful", pa.bool_(), nullable=False),
        pa.field("comment", pa.string(), nullable=False),
        pa.field("at", pa.timestamp("ms", "UTC"), nullable=False),
    ]
)


async def keep_mark(
    store: Store,
    project: str,
    id: str,
    mark: MarkKind,
    *,
    by: str,
    at: datetime,
    useful: bool = False,
    comment: str = "",
) -> None:
    """Keep what somebody says of an insight, in place of what they said before. Raises StoreError."""
    row = {
        "project": project,
        "id": id,
        "mark": mark,
        "by": by,
        "useful": useful,
        "comment": comment,
        "at": at,
    }
    await store.insert(INSIGHT_MARKS, pa.Table.from_pylist([row], schema=_SCHEMA), token=str(uuid4()))


async def dismissed(store: Store, project: str) -> set[str]:
    """The ids of insights that somebody has dismissed. Raises StoreError."""
    rows = await store.query(
        f"{DISMISSED} GROUP BY id ORDER BY max(at) DESC LIMIT {{most:UInt32}}",
        {"project": project, "most": MOST},
    )
    return {row["id"] for row in rows}
