"""From the topic ``alerts`` to the table ``alerts``."""

from __future__ import annotations

from collections.abc import Collection
from time import time
from typing import Final
from uuid import uuid4

from loopin_schemas.alert import Alert
from loopin_schemas.codec import decoder
from loopin_schemas.topics import ALERTS as TOPIC
from loopin_sinks.alerts.rows import ALERTS, Recorded, alerts_to_arrow
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_streams.kafka.batch import Record

_decode = decoder(Alert).decode

INTERVAL_S: Final = 0.5
"""Shortest time between two inserts: alerts are few, and somebody waits for them."""

Step = tuple[str, str, int]
"""Project, alert, and sequence of a record."""


class AlertSink(LatestSink[Step, Recorded]):
    """Stores every record of every alert."""

    def __init__(self, settings: SinkSettings, store: Store, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of ``alerts``."""
        super().__init__(
            settings,
            topic=TOPIC,
            topic_id=topic_id,
            group="clickhouse-alerts",
            table=ALERTS,
            interval_s=INTERVAL_S,
        )
        self._store = store

    def _read(self, record: Record) -> tuple[Step, Recorded]:
        alert = _decode(record.value or b"")
        return (alert.project, alert.id, alert.sequence), Recorded(alert, record.offset)

    def _replaces(self, held: Recorded, value: Recorded) -> bool:
        return held.revision <= value.revision

    async def _insert(self, values: Collection[Recorded]) -> int:
        rows = alerts_to_arrow(values, int(time() * 1000))
        # Each attempt has its own token: the same rows twice are replaced by their revision.
        await self._store.insert(ALERTS, rows, token=str(uuid4()))
        return len(values)
