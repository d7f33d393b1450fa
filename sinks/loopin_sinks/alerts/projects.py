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
"""How long an answer holds."""

ANEW_S: Final = 86_400.0
"""All days are asked for once in this time, for what was stored late; else what came since the last time."""

OVERLAP_S: Final = 3600.0
"""What comes so late is seen with the next answer."""


class Projects:
    """Those with events of late: all days are read once a day, the last hour once a minute."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._events: dict[str, int] = {}
        self._names: Sequence[str] = ()
        self._asked_at: float | None = None
        self._began_at = 0.0

    async def names(self, now: float) -> Sequence[str]:
        """Their names, at a time in epoch seconds.

        Raises:
            StoreError: the store did not answer.
        """
        asked = self._asked_at
        if asked is not None and 0 <= now - asked < REMEMBERED_S:
            return self._names
        if asked is None or not 0 <= now - self._began_at < ANEW_S:
            found = await self._since(now - DAYS * 86_400)
            self._events, self._began_at = {}, now
        else:
            found = await self._since(asked - OVERLAP_S)
        for name, events in found:
            self._events[name] = max(events, self._events.get(name, 0))
        self._names = sorted(self._events, key=lambda name: (-self._events[name], name))[:MOST]
        self._asked_at = now
        return self._names

    async def _since(self, since: float) -> list[tuple[str, int]]:
        rows = await self._store.query(
            "SELECT toString(project) AS name, count() AS events FROM events "
            "WHERE timestamp >= {since:DateTime64(3, 'UTC')} "
            "GROUP BY project ORDER BY events DESC, project LIMIT {most:UInt32}",
            {"since": from_epoch_ms(round(since * 1000)), "most": MOST},
        )
        return [(row["name"], row["events"]) for row in rows]
