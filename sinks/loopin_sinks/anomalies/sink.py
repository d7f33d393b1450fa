"""From the topic ``anomalies`` to the table ``anomalies``."""

from __future__ import annotations

from collections.abc import Collection
from time import time
from typing import Final
from uuid import uuid4

from loopin_schemas.anomaly import Anomaly
from loopin_schemas.codec import decoder
from loopin_schemas.topics import ANOMALIES as TOPIC
from loopin_sinks.anomalies.rows import ANOMALIES, Recorded, anomalies_to_arrow
from loopin_sinks.latest_sink import LatestSink
from loopin_sinks.settings import SinkSettings
from loopin_sinks.store import Store
from loopin_streams.kafka.batch import Record

_decode = decoder(Anomaly).decode

INTERVAL_S: Final = 0.5
"""Shortest time between two inserts: anomalies are few, and somebody waits for them."""

Identity = tuple[str, str, str, int]
"""Project, kind, user and time."""


class AnomalySink(LatestSink[Identity, Recorded]):
    """Stores every anomaly."""

    def __init__(self, settings: SinkSettings, store: Store, topic_id: str) -> None:
        """``topic_id`` is Kafka's id of ``anomalies``."""
        super().__init__(
            settings,
            topic=TOPIC,
            topic_id=topic_id,
            group="clickhouse-anomalies",
            table=ANOMALIES,
            interval_s=INTERVAL_S,
        )
        self._store = store

    def _read(self, record: Record) -> tuple[Identity, Recorded]:
        found = _decode(record.value or b"")
        return (found.project, found.kind, found.distinct_id, found.at), Recorded(found, record.offset)

    def _replaces(self, held: Recorded, value: Recorded) -> bool:
        return held.revision <= value.revision

    async def _insert(self, values: Collection[Recorded]) -> int:
        rows = anomalies_to_arrow(values, int(time() * 1000))
        # Each attempt has its own token: the same rows twice are replaced by their revision.
        await self._store.insert(ANOMALIES, rows, token=str(uuid4()))
        return len(values)
