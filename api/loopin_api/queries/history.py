"""What was put right of a row, and when, and by whom: every change of its correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from loopin_schemas.codec import decode
from loopin_schemas.config import KIND_OF
from loopin_schemas.corrections import Correction
from loopin_sinks.config_history import CONFIG_HISTORY
from loopin_sinks.store import Store


@dataclass(frozen=True, slots=True)
class Change:
    """One change: what the correction was from then on, and before; None where there was none."""

    at: datetime
    correction: Correction
    before: Correction | None


async def history(store: Store, ids: Sequence[str], size: int, offset: int) -> tuple[int, list[Change]]:
    """How many changes there are of the corrections of these ids, and a page of them, the latest first.

    Raises:
        StoreError: the store did not answer.
    """
    bound = {"kind": KIND_OF[Correction], "ids": list(ids), "size": size, "offset": offset}
    # Of a record that was stored twice, one counts. What is removed is emptied first, by somebody.
    rows = await store.query(
        f"""
        SELECT at, body, before, count() OVER () AS changes
        FROM (
            SELECT at, _offset, body, gone, lagInFrame(body) OVER (
                PARTITION BY id ORDER BY at, _offset ROWS BETWEEN 1 PRECEDING AND CURRENT ROW
            ) AS before
            FROM (
                SELECT id, any(at) AS at, any(body) AS body, any(removed) AS gone, _topic_id, _offset
                FROM {CONFIG_HISTORY} WHERE kind = {{kind:String}} AND id IN {{ids:Array(String)}}
                GROUP BY id, _topic_id, _offset
            )
        )
        WHERE NOT gone
        ORDER BY at DESC, _offset DESC LIMIT {{size:UInt32}} OFFSET {{offset:UInt32}}
        """,
        bound,
    )
    found = [Change(row["at"], _correction(row["body"]), _before(row["before"])) for row in rows]
    return rows[0]["changes"] if rows else 0, found


def _before(body: str) -> Correction | None:
    return _correction(body) if body else None


def _correction(body: str) -> Correction:
    return decode(body.encode(), Correction)
