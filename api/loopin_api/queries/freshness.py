"""How far the store has come, over all projects."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from loopin_sinks.store import Store

_NEWEST: Final = "SELECT count() AS stored, toUnixTimestamp64Milli(max(received_at)) AS newest_ms FROM events"


async def freshness_s(store: Store, now: datetime) -> float | None:
    """Age of the newest stored event since it was received, seconds; None without events.

    Raises:
        StoreError: the store did not answer.
    """
    (row,) = await store.query(_NEWEST)
    if not row["stored"]:
        return None
    newest_ms: int = row["newest_ms"]
    return max(0.0, round(now.timestamp() - newest_ms / 1000, 3))
