"""Which projects there are to judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from loopin_sinks.metric_values.scope import from_epoch_ms
from loopin_sinks.store import Store

DAYS: Final = 35
"""A project without events for longer is not judged any more."""

MOST: Final = 1000
"""Projects that are judged, those with the most events."""

REMEMBERED_S: Final = 60.0


class Projects:
    """Those with events of late, asked for once a minute."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._names: Sequence[str] = ()
        self._asked_at: float | None = None

    async def names(self, now: float) -> Sequence[str]:
        """Their names, at a time in epoch seconds.

        Raises:
            StoreError: the store did not answer.
        """
        if self._asked_at is None or not 0 <= now - self._asked_at < REMEMBERED_S:
            rows = await self._store.query(
                "SELECT toString(project) AS name FROM events "
                "WHERE timestamp >= {since:DateTime64(3, 'UTC')} "
                "GROUP BY project ORDER BY count() DESC, project LIMIT {most:UInt32}",
                {"since": from_epoch_ms(round(now * 1000) - DAYS * 86_400_000), "most": MOST},
            )
            self._names = [row["name"] for row in rows]
            self._asked_at = now
        return self._names
