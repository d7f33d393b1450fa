"""What people have said of alerts that are over, and silences that are: taken out of the configuration.

The topic ``config`` keeps every item until it is removed, and each role holds them all. What was said stays
in the records of the alerts, and in the history of what was configured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

import structlog

from loopin_schemas.alert_rule import Acknowledgement, Silence
from loopin_schemas.config import KIND_OF
from loopin_sinks.store import Store
from loopin_streams.kafka.config_state import Configuration, Item
from loopin_streams.kafka.errors import BrokerRefused, BrokerUnreachable, ConfigBusy, ConfigConflict

log = structlog.get_logger(__name__)

EVERY_S: Final = 3600.0

KEPT_MS: Final = 30 * 86_400_000
"""For so long a silence that is over is listed, and an acknowledgement of an alert that nobody knows kept."""

MOST: Final = 20
"""Items removed at a time: meanwhile nothing is judged, and nobody else changes what is configured."""

_OVER: Final = """
SELECT DISTINCT id FROM alerts
WHERE project IN {projects:Array(String)} AND id IN {ids:Array(String)} AND state = 'resolved'
"""
_KNOWN: Final = """
SELECT DISTINCT id FROM alerts WHERE project IN {projects:Array(String)} AND id IN {ids:Array(String)}
"""


class Removes(Protocol):
    """See :class:`loopin_streams.kafka.config_writer.ConfigWriter`."""

    async def remove(self, kind: str, id: str, *, replaces: str) -> None: ...


class Tidy:
    """Removes what is over, once an hour, and the rest at once where there is much."""

    def __init__(self, store: Store, configuration: Callable[[], Configuration], writer: Removes) -> None:
        self._store = store
        self._configuration = configuration
        self._writer = writer
        self._due = 0.0

    async def look(self, now: float, *, everything: bool = False) -> None:
        """Remove what is over, if it is time, epoch seconds; what others change meanwhile is left to them.

        Raises:
            StoreError: the store does not say which alerts are over.
        """
        if now < self._due and not everything:
            return
        self._due = now + EVERY_S
        found = [*self._silences(round(now * 1000)), *await self._acknowledgements(round(now * 1000))]
        for item in found[:MOST]:
            try:
                await self._writer.remove(KIND_OF[type(item.body)], item.id, replaces=item.version)
            except ConfigConflict:
                continue
            except (ConfigBusy, BrokerUnreachable, BrokerRefused) as error:
                log.warning("config_not_tidied", reason=str(error))
                return
        if found:
            log.info("config_tidied", removed=min(len(found), MOST), left=max(0, len(found) - MOST))
        if len(found) > MOST:
            self._due = now

    def _silences(self, now_ms: int) -> Iterator[Item[Any]]:
        for item in list(self._configuration().of(Silence).values()):
            if item.body.ends_at < now_ms - KEPT_MS:
                yield item

    async def _acknowledgements(self, now_ms: int) -> list[Item[Any]]:
        held = list(self._configuration().of(Acknowledgement).values())
        if not held:
            return []
        asked = {
            "ids": [item.id for item in held],
            "projects": sorted({item.body.project for item in held}),
        }
        over = {row["id"] for row in await self._store.query(_OVER, asked)}
        known = {row["id"] for row in await self._store.query(_KNOWN, asked)}
        return [
            item
            for item in held
            if item.id in over or (item.id not in known and item.body.at < now_ms - KEPT_MS)
        ]
