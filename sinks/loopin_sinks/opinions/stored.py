"""The table ``event_opinions``, and the events of which it does not have the last word yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID, uuid4

import msgspec
import pyarrow as pa

from loopin_sinks.metric_values.scope import epoch_ms
from loopin_sinks.opinions.judged import Judged, Method
from loopin_sinks.store import Store
from loopin_text.sentiment import texts_of

OPINIONS: Final = "event_opinions"

_MS = pa.timestamp("ms", "UTC")
_SCHEMA = pa.schema(
    [
        pa.field("project", pa.string(), nullable=False),
        pa.field("uuid", pa.string(), nullable=False),
        pa.field("timestamp", _MS, nullable=False),
        pa.field("sentiment", pa.string(), nullable=False),
        pa.field("score", pa.float64()),
        pa.field("confidence", pa.float64()),
        pa.field("intensity", pa.uint8()),
        pa.field("emotions", pa.list_(pa.string()), nullable=False),
        pa.field("language", pa.string(), nullable=False),
        pa.field("method", pa.string(), nullable=False),
        pa.field("judged_at", _MS, nullable=False),
        pa.field("version", pa.uint64(), nullable=False),
        pa.field("_retention_days", pa.uint16(), nullable=False),
    ]
)

# Words of private messages are never stored: their events have a sentiment and no text.
_WITHOUT: Final = """
    SELECT toString(uuid) AS id, timestamp, properties, _retention_days AS kept_days FROM events
    WHERE project = {project:String} AND timestamp >= {since:DateTime64(3, 'UTC')} AND sentiment IS NOT NULL
        AND arrayExists(name -> JSONExtractString(properties, name) != '', {names:Array(String)})
        AND uuid NOT IN (
            SELECT uuid FROM event_opinions
            WHERE project = {project:String} AND timestamp >= {since:DateTime64(3, 'UTC')}
                AND method IN {methods:Array(String)}
        )
    ORDER BY timestamp DESC, uuid LIMIT 1 BY uuid LIMIT {most:UInt32}
"""


class Text(NamedTuple):
    """The text of a stored event."""

    uuid: str
    timestamp: datetime
    text: str
    retention_days: int


async def projects_with_texts(store: Store, since: datetime) -> list[str]:
    """Projects of which events since then have a sentiment. Raises StoreError."""
    rows = await store.query(
        "SELECT DISTINCT toString(project) AS project FROM events "
        "WHERE timestamp >= {since:DateTime64(3, 'UTC')} AND sentiment IS NOT NULL ORDER BY project",
        {"since": since},
    )
    return [row["project"] for row in rows]


async def not_judged_by(
    store: Store, project: str, since: datetime, names: Sequence[str], most: int, methods: Sequence[Method]
) -> list[Text]:
    """Texts of events since then of which none of these has said a word, newest first. Raises StoreError."""
    bound = {
        "project": project,
        "since": since,
        "names": list(names),
        "most": most,
        "methods": list(methods),
    }
    return [
        Text(
            row["id"],
            row["timestamp"],
            texts_of(msgspec.json.decode(row["properties"]), names) or "",
            row["kept_days"],
        )
        for row in await store.query(_WITHOUT, bound)
    ]


async def keep(store: Store, project: str, found: Sequence[tuple[Text, Judged]], now: datetime) -> None:
    """Keep what is said of events. Raises StoreError."""
    by_month: dict[str, list[dict[str, Any]]] = {}
    for text, said in found:
        by_month.setdefault(f"{text.timestamp:%Y%m}", []).append(_row(project, text, said, now))
    for rows in by_month.values():
        await store.insert(OPINIONS, pa.Table.from_pylist(rows, schema=_SCHEMA), token=str(uuid4()))


def _row(project: str, text: Text, said: Judged, now: datetime) -> dict[str, Any]:
    return {
        **said._asdict(),
        "sentiment": said.sentiment or "",
        "language": said.language or "",
        "project": project,
        "uuid": text.uuid,
        "timestamp": text.timestamp,
        "judged_at": now,
        "version": epoch_ms(now),
        "_retention_days": text.retention_days,
    }


class Kept(NamedTuple):
    """What is kept of an event's text, and since when."""

    judged: Judged
    at: datetime


async def kept_of(store: Store, project: str, uuid: UUID) -> Kept | None:
    """What is kept of an event; None for nothing. Raises StoreError."""
    rows = await store.query(
        "SELECT * FROM event_opinions FINAL WHERE project = {project:String} AND uuid = {uuid:UUID}",
        {"project": project, "uuid": str(uuid)},
    )
    if not rows:
        return None
    row = rows[0]
    judged = Judged(
        sentiment=row["sentiment"] or None,
        score=row["score"],
        confidence=row["confidence"],
        intensity=row["intensity"],
        emotions=tuple(row["emotions"]),
        language=row["language"] or None,
        method=row["method"],
    )
    return Kept(judged, row["judged_at"])
